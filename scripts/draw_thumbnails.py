"""Draw the small pictures of the lessons in the README, docs/images/lessons.

Each is the picture that stands for the lesson on the first page of the site
(`build_site.PICTURES`).
"""

from __future__ import annotations

import io
from pathlib import Path

from build_site import ROOT, course, read_pages
from PIL import Image

FOLDER, SIZE = Path("docs/images/lessons"), (520, 300)


def main() -> None:
    """Write a picture for each main lesson that has one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for lesson in course(read_pages(ROOT, "")):
        if not lesson.main or lesson.picture is None:
            continue
        content = lesson.page.pictures[lesson.picture["src"]]
        print(f"{lesson.number}: {lesson.picture['alt'][:90]}")
        if lesson.picture["src"].endswith(".svg"):
            (FOLDER / f"{lesson.number}.svg").write_bytes(content)
            continue
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        picture.thumbnail(SIZE, Image.Resampling.LANCZOS)
        picture.quantize(64).save(FOLDER / f"{lesson.number}.png", optimize=True)


if __name__ == "__main__":
    main()
