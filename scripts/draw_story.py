"""Draw the moving picture of the README, docs/images/story.gif: SFT beside SDFT, as recorded."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from workbench.course.doctor import find_chromium
from workbench.widgets.player import Player, load_recording

TARGET = Path("docs/images/story.gif")
FRAME_MS, LAST_MS = 350, 4000
SHOW = "(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input')); }"


def main() -> None:
    """Take a picture of each moment in headless Chromium, and put them together."""
    recording = load_recording("sft_beside_sdft")
    page_text = ("<body style='margin:0;font-size:15px'><div id='here'></div>"
                 f"<script type='module'>{Player._esm}\nmount(document.getElementById('here'), "
                 f"{json.dumps(recording)});</script></body>")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(),
                                             args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1000, "height": 600}, reduced_motion="reduce")
        page.set_content(page_text)
        player = page.locator(".wb-player")
        slider, last, pictures = player.get_by_role("slider"), len(recording["frames"]) - 1, []
        slider.evaluate(SHOW, last)  # the answers are longest there
        clip = player.bounding_box()
        for at in range(last + 1):
            slider.evaluate(SHOW, at)
            picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
            pictures.append(picture.quantize(32, dither=Image.Dither.NONE))
        browser.close()
    pictures[0].save(TARGET, save_all=True, append_images=pictures[1:], loop=0, optimize=True,
                     duration=[FRAME_MS] * (len(pictures) - 1) + [LAST_MS])
    print(f"{TARGET}: {TARGET.stat().st_size / 1000:.0f} kB\n{recording['words']}")


if __name__ == "__main__":
    main()
