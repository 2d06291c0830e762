"""The text that the chapter on language models trains on."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

import numpy as np

from lrlib.schedules.kinds import check_whole

FILE = Path(__file__).parent / "data" / "shakespeare.txt.xz"
SHA256 = "4e017ad54e3fba2f09e1fa249a7ab40a4730f2ce1adfeebdf66296f85b076e15"

#: The longest window: the part to test on must hold one.
LONGEST = 100_000

#: The characters of the text; a character's number is its place here.
CHARACTERS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Part = tuple[np.ndarray, np.ndarray]


def load_shakespeare(context: int = 32) -> tuple[Part, Part]:
    r"""Load plays of Shakespeare, cut into windows, to predict the next character.

    Args:
        context: characters in a window, from 1 to 100,000.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: windows that follow each other without
        overlap and, for each of their characters, the one after it, all of shape
        `(n, context)`. A character is a whole number, its place in
        the `CHARACTERS` of this module, 0 to 64, as int32. The first nine tenths of the
        1,115,394 characters are there to train on, the rest to test.

    Raises:
        TypeError: `context` is not an integer.
        ValueError: `context` is not in its range.
        OSError: the file is missing or damaged.

    Source: Andrej Karpathy's "tiny Shakespeare"; see `lrlib/data/LICENSE`.

    >>> import lrlib
    >>> from lrlib.shakespeare import CHARACTERS
    >>> (x_train, y_train), (x_test, y_test) = lrlib.load_shakespeare(context=32)
    >>> x_train.shape, x_test.shape
    ((31370, 32), (3485, 32))
    >>> "".join(CHARACTERS[i] for i in x_train[0][:14])
    'First Citizen:'
    >>> "".join(CHARACTERS[i] for i in y_train[0][:14])
    'irst Citizen:\n'

    """
    if check_whole("context", context, 1) > LONGEST:
        raise ValueError(f"context must be at most {LONGEST:,}, got {context}")
    text = np.frombuffer(_read(), np.uint8)
    numbers = np.searchsorted(np.frombuffer(CHARACTERS.encode(), np.uint8), text)
    train = len(numbers) * 9 // 10
    return _windows(numbers[:train], context), _windows(numbers[train:], context)


def _read() -> bytes:
    """Return the text, or raise if it isn't whole."""
    try:
        content = FILE.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{FILE} is missing: install lrlib again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise OSError(
            f"{FILE} is damaged: its SHA-256 is {found}, not {SHA256}. "
            "Install lrlib again"
        )
    return lzma.decompress(content)


def _windows(numbers: np.ndarray, context: int) -> Part:
    """Cut a text into windows; return them, and the same one character later."""
    count = (len(numbers) - 1) // context
    x, y = (numbers[i : i + count * context].astype(np.int32) for i in (0, 1))
    return x.reshape(count, context), y.reshape(count, context)
