"""The keyboard: chords of the action table to Dear PyGui's keys, polled once a frame."""

from __future__ import annotations

from dataclasses import dataclass

import dearpygui.dearpygui as dpg

from panels.actions import ACTIONS, Action

_EQUAL = 602
"""Dear ImGui's key `=`. Dear PyGui 2.3.1's mvKey_Plus is 61, which is no key and reads as pressed at random."""

_NAMED: dict[str, tuple[int, ...]] = {
    "Space": (dpg.mvKey_Spacebar,),
    "Left": (dpg.mvKey_Left,),
    "Right": (dpg.mvKey_Right,),
    "Home": (dpg.mvKey_Home,),
    "End": (dpg.mvKey_End,),
    "Backspace": (dpg.mvKey_Back,),
    "Escape": (dpg.mvKey_Escape,),
    "Tab": (dpg.mvKey_Tab,),
    "F1": (dpg.mvKey_F1,),
    "F11": (dpg.mvKey_F11,),
    "-": (dpg.mvKey_Minus, dpg.mvKey_Subtract),
    "=": (_EQUAL, dpg.mvKey_Add),
    "[": (dpg.mvKey_Open_Brace,),
    "]": (dpg.mvKey_Close_Brace,),
    **{str(digit): (getattr(dpg, f"mvKey_{digit}"), getattr(dpg, f"mvKey_NumPad{digit}")) for digit in range(10)},
    **{letter: (getattr(dpg, f"mvKey_{letter}"),) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
}

_MODIFIERS = (
    (dpg.mvKey_LControl, dpg.mvKey_RControl),
    (dpg.mvKey_LShift, dpg.mvKey_RShift),
    (dpg.mvKey_LAlt, dpg.mvKey_RAlt),
)

REPEATING = frozenset(
    {
        Action.STEP_BACK,
        Action.STEP_FORWARD,
        Action.TEN_BACK,
        Action.TEN_FORWARD,
        Action.EVENT_BACK,
        Action.EVENT_FORWARD,
    }
)
"""Actions that go on while their key is held."""


@dataclass(frozen=True)
class Chord:
    """Keys of which one must go down while exactly these modifiers are held."""

    keys: tuple[int, ...]
    ctrl: bool = False
    shift: bool = False

    @staticmethod
    def parse(text: str) -> Chord:
        """A chord from the table's spelling, such as `Ctrl+Left`.

        Raises:
            KeyError: If there is no such key.
        """
        *modifiers, key = text.split("+") if text != "+" else [text]
        return Chord(_NAMED[key], ctrl="Ctrl" in modifiers, shift="Shift" in modifiers)


class Keyboard:
    """Which actions were asked for by keys since the last frame."""

    def __init__(self) -> None:
        self._table = [(entry.action, Chord.parse(keys)) for entry in ACTIONS for keys in entry.keys]
        self._held: set[int] = set()
        self._modifiers_were = [False, False, False]

    def _modifier(self, number: int) -> bool:
        """Whether Ctrl, Shift or Alt is held, or was in the last frame: in a slow frame its release and the press of
        the chord's other key arrive together."""
        now = any(dpg.is_key_down(key) for key in _MODIFIERS[number])
        was, self._modifiers_were[number] = self._modifiers_were[number], now
        return now or was

    def poll(self) -> list[Action]:
        """The actions whose chord went down, or repeats, in this frame. Call once a frame, whoever owns the keys."""
        ctrl, shift, alt = (self._modifier(number) for number in range(3))
        pressed = {key for _, chord in self._table for key in chord.keys if dpg.is_key_pressed(key)}
        fresh = pressed - self._held
        self._held = {key for key in self._held | pressed if dpg.is_key_down(key)}
        if alt:
            return []
        return [
            action
            for action, chord in self._table
            if (chord.ctrl, chord.shift) == (ctrl, shift)
            and any(key in (pressed if action in REPEATING else fresh) for key in chord.keys)
        ]
