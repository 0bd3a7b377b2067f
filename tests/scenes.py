"""A small scene for tests that need physics and pictures but not the built-in robot: two joints, a cup, a cube."""

from __future__ import annotations

from pathlib import Path

MODEL = """
<mujoco model="plotter">
  <compiler angle="radian"/>
  <option timestep="0.004166666666666667" integrator="implicitfast"/>
  <visual><quality shadowsize="512" offsamples="0"/></visual>
  <worldbody>
    <light pos="0 0 2"/>
    <geom name="floor" type="plane" size="1 1 .1" rgba=".8 .8 .8 1"/>
    <camera name="above" pos="0 0 1.2"/>
    <camera name="aside" pos="0 -1 .5" xyaxes="1 0 0 0 .5 1"/>
    <body name="arm" pos="0 0 .1">
      <joint name="yaw" axis="0 0 1" range="-1.5 1.5" damping="1"/>
      <geom type="capsule" fromto="0 0 0 .2 0 0" size=".02" rgba=".9 .7 .1 1" mass=".2"/>
      <body name="finger" pos=".2 0 0">
        <joint name="pitch" axis="0 1 0" range="-1 1" damping="1"/>
        <geom name="pad" type="capsule" fromto="0 0 0 .12 0 0" size=".015" rgba=".2 .2 .2 1" mass=".1"/>
        <site name="tip" pos=".12 0 0"/>
      </body>
    </body>
    <body name="cube" pos=".25 .1 .02">
      <freejoint/>
      <geom type="box" size=".02 .02 .02" rgba=".8 .1 .1 1" mass=".02"/>
    </body>
    <body name="cup" pos=".1 -.2 0"><geom type="cylinder" size=".05 .002" rgba=".1 .2 .8 1"/></body>
  </worldbody>
  <actuator>
    <position name="yaw_servo" joint="yaw" kp="20" ctrlrange="-1.5 1.5"/>
    <position name="pitch_servo" joint="pitch" kp="20" ctrlrange="-1 1"/>
  </actuator>
</mujoco>
"""

SPEC = """
name = "plotter"
model = "plotter.xml"
control_hz = 30.0
end_effector_site = "tip"
prompt = "Push the cube."
look_at = [0.1, 0.0, 0.0]

[[joints]]
name = "yaw"
actuator = "yaw_servo"
unit = "range_100"

[[joints]]
name = "pitch"
actuator = "pitch_servo"
unit = "degrees"

[cameras.above]
width = 32
height = 24
[cameras.aside]
width = 32
height = 24

[[spawn]]
body = "cube"
position = [0.25, 0.1, 0.02]
half_range = [0.03, 0.03, 0.0]
yaw_degrees = [-90.0, 90.0]

[task]
rule = "pick_and_place"
object = "cube"
target = "cup"
gripper_geoms = ["pad"]
max_steps = 60
"""


def write_scene(folder: Path, spec: str = SPEC, model: str = MODEL) -> Path:
    """Write the scene's two files and return the text file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plotter.xml").write_text(model)
    (folder / "scene.toml").write_text(spec)
    return folder / "scene.toml"
