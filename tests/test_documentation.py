"""What is written about the program is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from viewer_app.scene import Scene

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_keys_page_is_up_to_date() -> None:
    """docs/keys.md is the window's own table of keys; `make pictures` writes it anew."""
    pytest.importorskip("dearpygui")
    from tests.pictures import keys_page

    assert (ROOT / "docs" / "keys.md").read_text(encoding="utf-8") == keys_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link and picture of a page that stays in the repository exists."""
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_the_scene_of_the_documentation_loads(tmp_path: Path) -> None:
    """The example scene of docs/scenes.md, copied as it stands there, is a valid scene."""
    text = (ROOT / "docs" / "scenes.md").read_text(encoding="utf-8")
    (model,) = re.findall(r"```xml\n(.*?)```", text, re.DOTALL)
    spec, *_ = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "pendulum.xml").write_text(model, encoding="utf-8")
    (tmp_path / "scene.toml").write_text(spec, encoding="utf-8")
    scene = Scene.load(tmp_path)
    assert scene.joint_names == ("swing",)
    assert scene.substeps == 10
