"""Writes tests/fixtures/images: small pictures in every form the runtime reads,
each with the RGB8 pixels that Pillow makes of it (`NAME.expected.png`).

    python -m venv venv && venv/bin/pip install -r tests/parity/images.requirements.txt
    venv/bin/python tests/parity/images.py

All pictures are drawn here, so they carry no licence of their own.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "images"
ORIENTATION_TAG = 0x0112
PADDING = (124, 116, 104)


def picture(width: int, height: int) -> Image.Image:
    """Smooth colours, hard edges and some noise: what a resampler can get wrong."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * x / (width - 1)
    green = 255 * y / (height - 1)
    blue = 127 + 127 * np.sin(x * y / 40)
    noise = np.random.default_rng(7).normal(0, 6, (height, width, 3))
    pixels = np.clip(np.stack([red, green, blue], axis=-1) + noise, 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse([width // 8, height // 6, width // 2, height // 2], fill="white")
    draw.rectangle([width // 2, height // 2, width * 3 // 4, height - 4], fill="black")
    for i in range(0, width // 3, 2):
        draw.line([i, height - 12, i, height - 1], fill="white")
    return image


def expect(name: str, image: Image.Image) -> None:
    image.save(OUT / f"{name}.expected.png", optimize=True)


def on_white(image: Image.Image) -> Image.Image:
    """What people see of a picture: the white behind it, where it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    pixels = np.asarray(image.convert("RGBA"), np.uint32)
    colour, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    mixed = (colour * alpha + 255 * (255 - alpha) + 127) // 255
    return Image.fromarray(mixed.astype(np.uint8))


def orientations() -> None:
    """Eight files that look the same once turned upright.

    Quadrants are multiples of 8 pixels, so that JPEG blocks are flat and the
    files differ from the upright picture by rounding only.
    """
    upright = Image.new("RGB", (32, 16))
    draw = ImageDraw.Draw(upright)
    for box, colour in [
        ((0, 0, 15, 7), (220, 40, 40)),
        ((16, 0, 31, 7), (40, 200, 60)),
        ((0, 8, 15, 15), (50, 60, 210)),
        ((16, 8, 31, 15), (230, 220, 70)),
    ]:
        draw.rectangle(box, fill=colour)
    expect("orientation", upright)
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for value, turn in undo.items():
        stored = upright if turn is None else upright.transpose(turn)
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = value
        path = OUT / f"orientation_{value}.jpg"
        stored.save(path, quality=95, subsampling=0, exif=exif)
        shown = ImageOps.exif_transpose(Image.open(path))
        difference = np.abs(np.asarray(shown, int) - np.asarray(upright, int)).max()
        assert shown.size == upright.size and difference <= 4, (value, difference)
        if value == 6:
            stored.save(OUT / "orientation_6.png", exif=exif)
            stored.save(OUT / "orientation_6.webp", lossless=True, exif=exif)


def pixel_formats() -> None:
    """PNG in every pixel format a camera, scanner or drawing program writes."""
    base = picture(24, 16)

    def save(name: str, image: Image.Image, **options) -> None:
        image.save(OUT / f"{name}.png", **options)
        expect(name, on_white(Image.open(OUT / f"{name}.png")))

    save("grey", base.convert("L"))
    save("bilevel", base.convert("1"))
    palette = base.quantize(16)
    save("palette", palette)
    save("palette_transparent", palette, transparency=0)
    alpha = Image.linear_gradient("L").resize(base.size)
    rgba = base.copy()
    rgba.putalpha(alpha)
    save("rgba", rgba)
    save("grey_alpha", rgba.convert("LA"))

    # Pillow clips 16-bit grey to 255 and truncates 16-bit colour; the value a
    # viewer shows is v / 257, rounded, so that is what is expected here.
    deep = np.random.default_rng(3).integers(0, 65536, (16, 24, 3), dtype=np.uint16)
    expected = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    write_png16(OUT / "rgb16.png", deep)
    expect("rgb16", Image.fromarray(expected))
    write_png16(OUT / "grey16.png", deep[:, :, :1])
    expect("grey16", Image.fromarray(expected[:, :, 0]).convert("RGB"))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png16(path: Path, pixels: np.ndarray) -> None:
    """`pixels` u16 [height, width, 1 or 3]; Pillow writes no 16-bit colour."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 0 if channels == 1 else 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    )


def photos() -> None:
    """Lossy and lossless files of one picture, animations, and broken files."""
    base = picture(96, 64)

    def save(name: str, image: Image.Image, **options) -> bytes:
        image.save(OUT / name, **options)
        expect(name, on_white(Image.open(OUT / name)))
        return (OUT / name).read_bytes()

    jpeg = save("photo.jpg", base, quality=85)
    save("photo_progressive.jpg", base, quality=85, progressive=True)
    save("photo_grey.jpg", base.convert("L"), quality=85)
    webp = save("photo.webp", base, quality=80)
    save("photo_lossless.webp", base.crop((20, 10, 68, 42)), lossless=True)
    rgba = base.crop((20, 10, 68, 42))
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    save("photo_alpha.webp", rgba, lossless=True, exact=True)
    frames = [Image.new("RGB", (24, 16), colour) for colour in ("red", "blue")]
    save("animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    save("animated.png", frames[0], save_all=True, append_images=frames[1:])
    buffer = io.BytesIO()
    base.save(buffer, "PNG")
    png = buffer.getvalue()
    for name, data in [("jpg", jpeg), ("webp", webp), ("png", png)]:
        (OUT / f"truncated.{name}").write_bytes(data[: len(data) * 6 // 10])
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    (OUT / "huge.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    )
    save("photo.gif", base)
    # The same for those who read no GIF.
    base.save(OUT / "unsupported.gif")
    save("photo.bmp", base.crop((20, 10, 68, 42)))
    see_through = base.quantize(16)
    see_through.save(OUT / "transparent.gif", transparency=0)
    expect("transparent.gif", on_white(Image.open(OUT / "transparent.gif")))
    base.save(OUT / "moving.gif", save_all=True, append_images=[base.transpose(Image.Transpose.ROTATE_180)])


def resizes() -> None:
    """Pillow's bicubic, squashed, cropped (CLIP) and padded, up and down."""
    for name, size in [("wide", (150, 100)), ("tall", (61, 90)), ("small", (20, 14))]:
        source = picture(*size)
        source.save(OUT / f"resize_{name}.png", optimize=True)
        for side in (24, 65):
            squashed = source.resize((side, side), Image.Resampling.BICUBIC)
            squashed.save(OUT / f"resize_{name}_squash_{side}.png", optimize=True)
            # torchvision's Resize(side) and CenterCrop(side).
            width, height = source.size
            short, long = min(width, height), max(width, height)
            other = int(side * long / short)
            scaled = (side, other) if width <= height else (other, side)
            grown = source.resize(scaled, Image.Resampling.BICUBIC)
            left, top = (round((length - side) / 2.0) for length in grown.size)
            cropped = grown.crop((left, top, left + side, top + side))
            cropped.save(OUT / f"resize_{name}_crop_{side}.png", optimize=True)
            padded = ImageOps.pad(source, (side, side), Image.Resampling.BICUBIC, color=PADDING)
            padded.save(OUT / f"resize_{name}_pad_{side}.png", optimize=True)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    orientations()
    pixel_formats()
    photos()
    resizes()
