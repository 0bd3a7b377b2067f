"""How the demo checkpoints are made: a scripted expert, its recorder, and LeRobot's own trainer with our arguments.

Nothing here is needed to run Whiskers; it is here so that `policies/demo/` can be rebuilt from nothing.
"""
