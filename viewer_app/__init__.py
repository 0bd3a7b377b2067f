"""Whiskers: a desktop debugger for learned robot policies."""

import os
import sys

# MuJoCo picks its OpenGL platform when it is first imported. EGL needs no display and works on threads; macOS and
# Windows have one platform each and choose it themselves.
if sys.platform.startswith("linux"):
    os.environ.setdefault("MUJOCO_GL", "egl")
