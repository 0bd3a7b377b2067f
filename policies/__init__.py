"""Adapters that turn LeRobot checkpoints into policies. torch and LeRobot are imported only when one is loaded.

`load.load` gives a policy in this process, `process.PolicyProcess` the same in a process of its own.
"""
