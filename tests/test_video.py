"""Videos: what an independent decoder finds in them is what was written, and no broken one ever gets its name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from recordings import ffmpeg
from recordings.ffmpeg import planar
from recordings.trace_file import RecordingError
from recordings.video import Video, open_video
from viewer_app.types import ImageArray

pytestmark = pytest.mark.core

WIDTH, HEIGHT, FRAMES = 96, 64, 12


def picture(number: int) -> ImageArray:
    """A smooth ground that stays, and a bright square that moves on."""
    x, y = np.meshgrid(np.linspace(40, 200, WIDTH), np.linspace(60, 180, HEIGHT))
    image = np.stack([x, y, 240 - x], axis=2).astype(np.uint8)
    left = 4 + 6 * number
    image[20:44, left : left + 16] = (30, 220, 90)
    return image


def written(path: Path, fps: float = 30.0) -> Path:
    with open_video(path, WIDTH, HEIGHT, fps) as video:
        for number in range(FRAMES):
            video.write(picture(number))
    return path


def begin(path: Path, then: Callable[[Video], object] = lambda video: None, force: bool = False) -> None:
    """Write one picture, and do something else before the video is done."""
    with open_video(path, WIDTH, HEIGHT, 30, force=force) as video:
        video.write(picture(0))
        then(video)


def in_folder(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize(("name", "codec", "format"), [("a.mp4", "h264", "yuv420p"), ("a.mkv", "h264", "gbrp")])
def test_a_video_has_the_pictures_that_were_written(tmp_path: Path, name: str, codec: str, format: str) -> None:
    """PyAV finds every picture, in its place and size, within a few levels in MP4 and equal to the bit in MKV."""
    av = pytest.importorskip("av")
    with av.open(str(written(tmp_path / name, fps=25))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == (codec, format)
        assert (stream.width, stream.height, stream.average_rate) == (WIDTH, HEIGHT, 25)
        decoded = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
    assert len(decoded) == FRAMES
    for number, (time, image) in enumerate(decoded):
        assert time == pytest.approx(number / 25, abs=1e-3)
        error = np.abs(image.astype(int) - picture(number))
        # MP4 holds one colour for four pixels, so only edges may differ by more than a few levels.
        assert np.percentile(error, 90) <= (4 if name == "a.mp4" else 0)
        assert name == "a.mp4" or error.max() == 0


def test_an_mp4_begins_to_play_before_it_has_arrived(tmp_path: Path) -> None:
    """The index comes before the pictures, and the file says which matrix its colours are to be read with."""
    data = written(tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (int(context.colorspace), int(context.color_range)) == (6, 1)  # BT.601, limited


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_animations_have_all_pictures(tmp_path: Path, name: str) -> None:
    """A GIF and a WebP repeat for ever, last as long as they should, and show each picture nearly as it was."""
    with Image.open(written(tmp_path / name, fps=20)) as animation:
        assert animation.n_frames == FRAMES  # type: ignore[attr-defined]
        assert animation.info["loop"] == 0
        durations = []
        for number in range(FRAMES):
            animation.seek(number)
            error = np.abs(np.asarray(animation.convert("RGB")).astype(int) - picture(number))
            assert np.percentile(error, 90) <= 16
            durations.append(animation.info["duration"])
    assert sum(durations) == pytest.approx(1000 * FRAMES / 20, abs=10)
    assert in_folder(tmp_path) == [name]


def test_a_name_without_an_ending_is_a_folder_of_pictures(tmp_path: Path) -> None:
    """The PNG files hold the pictures to the bit, in the order of their names."""
    files = sorted(written(tmp_path / "pictures").iterdir())
    assert len(files) == FRAMES
    for number, file in enumerate(files):
        found = cv2.imread(str(file))
        assert found is not None
        assert np.array_equal(found[..., ::-1], picture(number))


def test_colours_are_those_of_bt_601() -> None:
    """Luma is BT.601 in limited range to a level, and colour that of the mean of 2 x 2 pixels to two levels."""
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    planes = planar(image).reshape(-1).astype(float)
    matrix = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
    luma = 16 + image @ matrix[0]
    assert np.abs(planes[: 32 * 48].reshape(32, 48) - luma).max() <= 1
    mean = image.reshape(16, 2, 24, 2, 3).astype(float).mean(axis=(1, 3))
    colour = 128 + np.stack([mean @ matrix[1], mean @ matrix[2]])
    assert np.abs(planes[32 * 48 :].reshape(2, 16, 24) - colour).max() <= 2


def test_what_fails_leaves_nothing_and_takes_nothing(tmp_path: Path) -> None:
    """After an error, or when discarded, the folder is as it was, the video that had the name included."""
    for name in ("a.mp4", "a.mkv", "a.gif", "a.webp", "pictures"):
        path = written(tmp_path / name)
        before = in_folder(tmp_path), path.stat().st_mtime_ns
        with pytest.raises(RecordingError, match="a picture is 64x96"):
            begin(path, lambda video: video.write(picture(1).swapaxes(0, 1)), force=True)
        begin(path, Video.discard, force=True)
        assert (in_folder(tmp_path), path.stat().st_mtime_ns) == before


def test_an_existing_video_is_replaced_only_by_force(tmp_path: Path) -> None:
    """Without force the first one stays, even if it appeared while the second was written; with force it goes."""
    path = tmp_path / "a.mp4"
    with pytest.raises(RecordingError, match="exists already"):
        begin(path, lambda video: path.write_bytes(b"mine"))
    assert path.read_bytes() == b"mine"
    with pytest.raises(RecordingError, match="exists already"):
        open_video(path, WIDTH, HEIGHT, 30)
    begin(path, force=True)
    assert path.read_bytes() != b"mine"
    folder = written(tmp_path / "pictures")
    begin(folder, force=True)
    assert in_folder(folder) == ["frame-000000.png"]
    assert in_folder(tmp_path) == ["a.mp4", "pictures"]


def test_force_takes_no_folder_that_holds_other_things(tmp_path: Path) -> None:
    """A folder is replaced only if all in it are pictures of an earlier export."""
    folder = written(tmp_path / "pictures")
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(RecordingError, match=r"holds other things, such as thesis.txt"):
        open_video(folder, WIDTH, HEIGHT, 30, force=True)
    assert len(in_folder(folder)) == FRAMES + 1


@pytest.mark.parametrize(
    ("name", "width", "height", "fps", "lossless", "words"),
    [
        ("a.mp4", 63, 48, 30, False, "63x48 pixels; both numbers must be even"),
        ("a.mp4", 64, 49, 30, False, "64x49 pixels; both numbers must be even"),
        ("a.avi", 64, 48, 30, False, r"\.avi is not written here; end the name in \.mp4, \.mkv, \.gif, \.webp"),
        ("a.mp4", 64, 48, 0, False, "cannot have 0 pictures a second"),
        ("a.gif", 64, 48, 60, False, "cannot have 60 pictures a second; choose above 0 to 50"),
        ("a.mp4", 64, 48, 30, True, r"\.mp4 is not lossless; end the name in \.mkv"),
        ("file/a.mp4", 64, 48, 30, False, "cannot be written: "),
        ("file", 64, 48, 30, False, "is a file; a folder of PNG pictures needs another name"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_sentence(
    tmp_path: Path, name: str, width: int, height: int, fps: float, lossless: bool, words: str
) -> None:
    """A size, an ending, a rate or a place that cannot be is refused before anything is written."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RecordingError, match=words):
        open_video(tmp_path / name, width, height, fps, lossless=lossless, force=True)
    assert in_folder(tmp_path) == ["file"]


def test_a_quality_that_there_is_not(tmp_path: Path) -> None:
    """The constant rate factor of H.264 ends at 51."""
    with pytest.raises(RecordingError, match="quality is 0 to 51, lower is better, found 52"):
        open_video(tmp_path / "a.mp4", WIDTH, HEIGHT, 30, quality=52)


def test_an_empty_video_is_none(tmp_path: Path) -> None:
    """A video without a picture is an error, and leaves nothing."""
    with pytest.raises(RecordingError, match="would be empty"), open_video(tmp_path / "a.mp4", WIDTH, HEIGHT, 30):
        pass
    assert in_folder(tmp_path) == []


FILL = """
import resource, sys
from pathlib import Path
import numpy as np
from recordings.trace_file import RecordingError
from recordings.video import open_video
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
rng = np.random.default_rng(0)
try:
    with open_video(Path(sys.argv[1]), 320, 240, 30) as video:
        for _ in range(60):
            video.write(rng.integers(0, 256, (240, 320, 3)).astype(np.uint8))
except RecordingError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX's")
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "pictures"])
def test_a_disk_that_takes_no_more(tmp_path: Path, name: str) -> None:
    """When the system takes no more bytes there is one sentence, and no part of a video."""
    command = [sys.executable, "-c", FILL, str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert done.stdout.startswith(f"Video {tmp_path / name} cannot be written: ")
    assert done.stdout.count("\n") == 1
    assert in_folder(tmp_path) == []


def test_hardware_encodes_only_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that this machine lacks is passed over; one that encodes a picture is taken, at its own scale."""
    lacking = ("h264_lacking", ("-cq", "{quality}"))
    monkeypatch.setattr(ffmpeg, "_hardware", lambda: [lacking])
    assert "libx264" in ffmpeg.h264(WIDTH, HEIGHT, 20)
    # Another encoder in software stands for hardware that is there.
    monkeypatch.setattr(ffmpeg, "_hardware", lambda: [lacking, ("mpeg4", ("-q:v", "{quality}"))])
    chosen = ffmpeg.h264(WIDTH, HEIGHT, 20)
    assert chosen[-4:] == ("-c:v", "mpeg4", "-q:v", "20")
