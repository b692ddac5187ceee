"""The files of the page are in the package that users install."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from monitor.adapters.server.resources import FOLDER, TEMPLATES, TYPES

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_wheel_has_every_file_of_the_page(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {f"monitor/adapters/server/{FOLDER}/{name}" for name in (*TEMPLATES, *TYPES)} <= packed


def test_every_file_in_the_folder_is_served_or_a_template():
    folder = ROOT / "monitor" / "adapters" / "server" / FOLDER
    assert {path.name for path in folder.iterdir()} == {*TEMPLATES, *TYPES}
