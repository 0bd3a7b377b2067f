"""Who may import whom. The plan of the house, as a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[1]
ROOMS = ("viewer_app", "panels", "policies", "recordings")

# A module may import those of earlier rungs, never of its own rung or a later one.
LADDER = (
    ("types", "robot_parts", "gym_nexus", "summary", "memory", "camera_names", "toml_text"),
    (
        "scene_draft",
        "site_wrapper",
        "gym_packages",
        "gym_attributes",
        "gym_mute",
        "gym_names",
        "channels",
        "movable",
        "xray",
        "wrapped_policy",
    ),
    ("gym_lerobot", "gym_seen"),
    ("gym_environment",),
    ("gym_looks",),
    ("gym_scene", "gym_whole", "scene_spec"),
    ("scene", "pairs", "chunking", "blinding", "smoothness", "lettering", "coverage"),
    ("trace", "mends", "joint_units", "demonstration", "placing"),
    ("tracking", "conversion", "detectors", "questions", "gym_moments", "start_positions"),
    ("insight", "breakpoints", "gym_recall"),
    ("commands", "view"),
    ("inverse_kinematics",),
    ("actuation",),
    ("task", "seen", "camera_map", "mending", "video_order"),
    ("snapshots",),
    ("world", "fit"),
    ("distance", "replay", "gym_world", "closed_world"),
    ("gym_exactness",),
    ("kinematics", "bodies", "reach", "inquiry"),
    ("rollout", "watch", "teacher_report"),
    ("gym_twin",),
    ("gym_paths",),
    ("paths", "teacher"),
    ("alternatives", "ranges"),
    ("denoising", "divergence", "doctor"),
    ("analysis",),
    ("measures", "overlays", "figures", "paired_summary", "teacher_tables"),
    ("raster",),
    ("render",),
    ("tiles", "grab"),
    ("tiling",),
    ("strips",),
    ("lane",),
    ("engine", "lane_settings"),
    ("headless", "lane_spec"),
    ("gui",),
    ("batch", "export", "teacher_figure", "terminal", "command_line", "shown_cameras", "doctor_trial"),
    ("diagnosis",),
    ("doctor_process",),
    ("scene_trial",),
    ("scene_check",),
    ("exporting",),
    ("wiring",),
    ("dataset_command", "teacher_command"),
    ("run_command", "compare_command", "export_command", "doctor_command", "scene_command"),
    ("__main__",),
)
RUNG = {noun: rung for rung, nouns in enumerate(LADDER) for noun in nouns}

PANELS_MAY_READ = {
    *("types", "channels", "scene", "scene_spec", "chunking", "blinding", "trace", "commands", "view"),
    *("questions", "insight", "breakpoints", "detectors", "smoothness", "tracking", "joint_units"),
    *("camera_names", "camera_map", "tiles", "video_order", "xray", "doctor", "mends"),
}

# What each outside package may be imported by. Folders, or the beginnings of files' names.
BOUNDARIES = {
    "torch": ("policies/", "recordings/"),
    "lerobot": ("policies/", "recordings/"),
    "transformers": ("policies/",),
    "tokenizers": ("policies/",),
    "safetensors": ("policies/",),
    "huggingface_hub": ("policies/",),
    "dearpygui": ("viewer_app/gui", "panels/"),
    "mink": ("policies/training/", "viewer_app/inverse_kinematics.py"),
    "rerun": ("recordings/rerun_",),
    "tyro": ("viewer_app/command_line.py",),
    "OpenGL": ("viewer_app/render.py",),
    "gymnasium": ("viewer_app/gym_packages.py",),
    "grpc": ("policies/remote.py",),
    # Written for LeRobot's policy server, and read by a reader that knows no name but an action's.
    "pickle": ("policies/remote_wire.py",),
    "marshal": (),
    "shelve": (),
}


@dataclass(frozen=True)
class Import:
    """One imported module, and where."""

    file: str
    """Relative to the root, with slashes."""
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imports() -> Iterator[Import]:
    """All imports of the four rooms, those inside functions too."""
    for path in sources():
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names):
                    yield from (Import(file, node.lineno, each.name) for each in names)
                case ast.ImportFrom(module, names, level):
                    assert level == 0, f"{file}:{node.lineno}: imports are written in full, so that they can be read"
                    # `from viewer_app import scene` names a module too.
                    inside = [f"{module}.{each.name}" for each in names] if module in ROOMS else [str(module)]
                    yield from (Import(file, node.lineno, each) for each in inside)


def noun_of(module: str) -> str:
    """`viewer_app.gui.window` and `viewer_app/gui/window.py` are both `gui`."""
    return module.removesuffix(".py").replace("/", ".").split(".")[1]


def test_every_module_has_its_rung() -> None:
    """Each file of viewer_app stands on the ladder, so a new one has to be placed on purpose."""
    nouns = {
        noun_of(path.relative_to(ROOT).as_posix()) for path in sources() if path.is_relative_to(ROOT / "viewer_app")
    }
    assert nouns - {"__init__"} <= RUNG.keys()


def test_the_ladder() -> None:
    """A module of viewer_app imports only modules of earlier rungs."""
    climbing = [
        str(each)
        for each in imports()
        if each.file.startswith("viewer_app/")
        and each.module.startswith("viewer_app.")
        and noun_of(each.file) != noun_of(each.module)
        and RUNG[noun_of(each.module)] >= RUNG[noun_of(each.file)]
    ]
    assert climbing == []


def test_only_the_wiring_knows_the_other_rooms() -> None:
    """The engine's room reaches panels only from the window, and policies and recordings only from the wiring."""
    may = {"panels": RUNG["gui"], "policies": RUNG["batch"], "recordings": RUNG["batch"]}
    strangers = [
        str(each)
        for each in imports()
        if each.file.startswith("viewer_app/")
        and (room := each.module.split(".")[0]) in may
        and RUNG[noun_of(each.file)] < may[room]
    ]
    assert strangers == []


def test_panels_read_frames_and_send_commands() -> None:
    """A panel knows the data that it shows and the commands that it sends: no engine, no simulation, no checkpoint."""
    allowed = {"dearpygui", "numpy", "matplotlib", "panels", *sys.stdlib_module_names}
    strangers = [
        str(each)
        for each in imports()
        if each.file.startswith("panels/")
        and not (
            noun_of(each.module) in PANELS_MAY_READ
            if each.module.startswith("viewer_app.")
            else each.module.split(".")[0] in allowed
        )
    ]
    assert strangers == []


def test_policies_and_recordings_know_no_window_and_no_engine() -> None:
    """An adapter or a file format is usable without the program around it. (Training drives the engine's world.)"""
    strangers = [
        str(each)
        for each in imports()
        if each.file.startswith(("policies/", "recordings/"))
        and not each.file.startswith("policies/training/")
        and (
            each.module.startswith("panels")
            or (each.module.startswith("viewer_app.") and RUNG[noun_of(each.module)] >= RUNG["engine"])
        )
    ]
    assert strangers == []


@pytest.mark.parametrize("package", BOUNDARIES)
def test_outside_packages_stay_behind_their_walls(package: str) -> None:
    """An outside package is imported only where its wall is; unpickling, which runs what it reads, nowhere."""
    strangers = [
        str(each)
        for each in imports()
        if each.module.split(".")[0] == package and not each.file.startswith(BOUNDARIES[package])
    ]
    assert strangers == []


def test_numpy_is_all_that_types_need() -> None:
    """The data that flows can be read by anything that has numpy."""
    needed = {each.module.split(".")[0] for each in imports() if each.file == "viewer_app/types.py"}
    assert needed - sys.stdlib_module_names == {"numpy"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("viewer_app.engine", ("dearpygui", "torch", "lerobot", "gymnasium", "matplotlib.pyplot", "tyro")),
        ("viewer_app.__main__", ("torch", "lerobot", "mujoco", "dearpygui", "scipy", "matplotlib", "cv2")),
        ("recordings.folder", ("torch", "lerobot", "dearpygui")),
    ],
)
def test_importing_stays_cheap(module: str, unwanted: tuple[str, ...]) -> None:
    """Importing the engine loads no window and no learning library; the command line loads nearly nothing."""
    ask = f"import sys, {module}; print(*sorted(set({unwanted!r}) & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.split() == []


def test_no_one_elses_home() -> None:
    """No file names a folder that exists on one machine only."""
    # Put together here, so that this file does not hold what it looks for.
    homes = ["/".join(("", *parts, "")) for parts in (("root",), ("home",), ("Users",), ("work",))]
    suffixes = {".py", ".toml", ".md", ".xml", ".json", ".txt"}
    folders = [ROOT / name for name in (*ROOMS, "tests", "docs", ".ci")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes] + [
        ROOT / name for name in ("pyproject.toml", "Makefile", "README.md", "constraints.txt")
    ]
    guilty = [
        f"{path.relative_to(ROOT)} names {home}"
        for path in files
        for home in homes
        if home in path.read_text(encoding="utf-8")
    ]
    assert guilty == []
