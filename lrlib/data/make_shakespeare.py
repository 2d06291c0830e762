"""Make shakespeare.txt.xz: "tiny Shakespeare" as it is, packed.

    python make_shakespeare.py input.txt

The file is data/tinyshakespeare/input.txt of https://github.com/karpathy/char-rnn.
"""

import hashlib
import lzma
import sys
from pathlib import Path

TEXT = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
FILTER = {
    "id": lzma.FILTER_LZMA2,
    "preset": 9 | lzma.PRESET_EXTREME,
    "lc": 4,
    "lp": 0,
    "pb": 0,
    "dict_size": 1 << 21,
}

if __name__ == "__main__":
    text = Path(sys.argv[1]).read_bytes()
    if hashlib.sha256(text).hexdigest() != TEXT:
        sys.exit(f"{sys.argv[1]} is not input.txt as its repository has it")
    packed = lzma.compress(text, check=lzma.CHECK_CRC32, filters=[FILTER])
    target = Path(__file__).with_name("shakespeare.txt.xz")
    target.write_bytes(packed)
    print(hashlib.sha256(packed).hexdigest())
