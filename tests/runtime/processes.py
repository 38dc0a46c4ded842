"""Code run in a fresh Python process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def start(folder: Path, code: str, **env: str) -> subprocess.Popen[str]:
    """A process that runs `code` from a file in `folder`, so that its source can be read."""
    folder.mkdir(exist_ok=True)
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code))
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What the process prints. Fails where it fails."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def run(folder: Path, code: str, **env: str) -> str:
    return finish(start(folder, code, **env))
