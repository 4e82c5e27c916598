"""Makes docs/ask.svg from what `intentgate ask` prints.

From the project's folder, after `make build`: pip install rich && python3 docs/picture.py
"""
import html, os, pathlib, re, subprocess

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

QUESTIONS = [("zh", "衣服洗了一次就掉色，能退吗"), ("en", "can you help me with my math homework")]
# Rich's own frame loads a font from the network; this one takes the reader's.
FRAME = """<svg viewBox="0 0 {width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.ask-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", "PingFang SC", "Microsoft YaHei", monospace }}
{styles}
</style>
<defs>{lines}</defs>
<rect width="100%" height="100%" rx="8" fill="#1e2127"/>
<g class="ask-matrix" transform="translate(16, 6)">{backgrounds}{matrix}</g>
</svg>
"""


def place(run: re.Match) -> str:
    """Rich counts characters, but a Chinese one is two cells wide: each gets its own place."""
    text = html.unescape(run[4])
    places = " ".join(f"{float(run[1]) + 12.2 * cell_len(text[:n]):.1f}" for n in range(len(text)))
    return f'x="{places}" {run[2]}{run[3]}>{run[4]}<'


console = Console(record=True, width=88, force_terminal=True, file=open(os.devnull, "w"))
for language, question in QUESTIONS:
    environment = os.environ | {"CLICOLOR_FORCE": "1", "NO_COLOR": "", "INTENTGATE_LANG": language}
    command = ["target/release/intentgate", "ask", question]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    console.print(Text.from_ansi(f'\x1b[1m$ intentgate ask "{question}"\x1b[0m\n{printed}'))
svg = console.export_svg(code_format=FRAME, unique_id="ask")
svg = re.sub(r'x="(\S+)" (y="\S+") textLength="\S+"([^>]*)>([^<]+)<', place, svg)
pathlib.Path("docs/ask.svg").write_text(svg)
