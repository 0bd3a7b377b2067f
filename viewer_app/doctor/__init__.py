"""The doctor: what is wrong with a checkpoint, a scene, or the two together, as findings with evidence and a mend.

Pure functions of plain data. `policies.examine` reads a checkpoint folder into `facts.CheckpointFacts`, before any
weight is loaded; `viewer_app.doctor_trial` loads it and tries it in the scene; the checks of both are here.
"""
