"""The files that the gateway reads while it runs, and edits of them, good and broken."""

from pathlib import Path

from .traffic import BODY_LIMIT

# Keys that an edit changes while the soak runs, each with values that a request may meet.
SPELLS = [
    {"gate.mode": '"shadow"'},
    {"limits.requests": 24},
    {"upstream.idle_timeout": '"3s"'},
    {"gate.mode": '"off"'},
    {"shop.name": '"the other shop"'},
]
BROKEN_CONFIG = ["[gate", "gate.mood = 1", 'server.log = "info,intentgate=loud"']
BROKEN_INTENT = 'action = "dance"\nexamples = """\nx\n"""\n'
# None of its examples is near a question of the soak.
GOOD_INTENT = """title = {{ zh = "刻字", en = "Engraving" }}
action = "reject"
reply = {{ zh = "本店不刻字。", en = "We do not engrave." }}
examples = \"\"\"
{}
\"\"\"
"""


class Settings:
    """The gateway's configuration file. Keys that this gateway does not know are left out."""

    def __init__(self, path: Path, primary: int, backup: int, grace: int):
        self.path = path
        self.keys = {
            "server.listen": '"127.0.0.1:0"',
            "server.grace": f'"{grace}s"',
            "server.log_format": '"json"',
            "admin.listen": '"127.0.0.1:0"',
            "upstream.url": f'"http://127.0.0.1:{primary}/v1"',
            "upstream.first_byte_timeout": '"2s"',
            "upstream.idle_timeout": '"2s"',
            "upstream.fallback": f'[{{ name = "backup", url = "http://127.0.0.1:{backup}/v1" }}]',
            "limits.body": f'"{BODY_LIMIT}B"',
            "limits.body_timeout": '"3s"',
            "gate.budget": '"20s"',  # a busy machine is no reason to forward
        }

    def write(self, changes: dict | None = None, tail: str = ""):
        lines = [f"{key} = {value}" for key, value in (self.keys | (changes or {})).items()]
        replace(self.path, "\n".join([*lines, tail, ""]))

    def drop_unknown(self, log: str) -> bool:
        """Leaves out the keys that the gateway has named as none of its own; whether there are any."""
        unknown = {key for key in self.keys if f"{key}: there is no such key" in log}
        self.keys = {key: value for key, value in self.keys.items() if key not in unknown}
        return bool(unknown)


def replace(path: Path, text: str):
    """As an editor saves: never half a file."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.rename(path)


class Intents:
    """One file that comes and goes among the shipped ones."""

    def __init__(self, folder: Path):
        self.file = folder / "engraving.toml"

    def edit(self, turn: int) -> str:
        """Added, broken, repaired and changed, taken away; says whether that is `good` or `bad`."""
        step = turn % 4
        if step == 3:
            self.remove()
        else:
            rows = "\n".join(
                f"engrave {word} on my ring, version {turn}" for word in ("a name", "a date", "two hearts")
            )
            replace(self.file, BROKEN_INTENT if step == 1 else GOOD_INTENT.format(rows))
        return "bad" if step == 1 else "good"

    def remove(self):
        self.file.unlink(missing_ok=True)
