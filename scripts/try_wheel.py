"""Does the wheel do what the checkout does? Built, installed in an empty environment, run from another folder.

python scripts/try_wheel.py
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def call(*command: object, folder: Path) -> None:
    print("$", *(Path(command[0]).name, *command[1:]), flush=True)
    subprocess.run([str(part) for part in command], check=True, cwd=folder)


def main() -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", work / "dist", ROOT, folder=work)
        (wheel,) = (work / "dist").glob("*.whl")
        call(sys.executable, "-m", "venv", "--without-pip", work / "env", folder=work)
        python = work / "env" / "bin" / "python"
        call(uv, "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt", wheel, folder=work)
        command, run = work / "env" / "bin" / "ajuste-fino", work / "run"
        call(command, "list", folder=Path("/"))
        call(command, "train", f"out={run}", "epochs=5", folder=Path("/"))
        call(command, "evaluate", f"run={run}", f"out={work / 'judged'}", folder=Path("/"))
        call(command, "lecture", "relu", f"out={work / 'relu'}", folder=Path("/"))
        image = next((work / "run").rglob("confusion.png"))
        call(command, "predict", f"run={run / 'bundle'}", f"images={image}", folder=Path("/"))
        same = (run / "predictions_test.csv").read_text() == (work / "judged" / "predictions_test.csv").read_text()
        print("evaluate reproduces the run's table:", same)
        sys.exit(not same)


if __name__ == "__main__":
    main()
