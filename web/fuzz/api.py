"""Schemathesis against the API of the sample server, as each role in turn; not part of the gate.

    cargo build -p stopline-web --example sample_backend
    python3 -m venv /tmp/st && /tmp/st/bin/pip install schemathesis==4.32.5
    /tmp/st/bin/python web/fuzz/api.py target/debug/examples/sample_backend [SECONDS FOR EACH ROLE, 100]

Prints for each role the cases generated and the failures; exits 1 if any answer was a server's fault (5xx).
"""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

PEOPLE = {"an": "reviewer", "lan": "approver", "toan": "operator", "phan": "analyst", "kiem": "auditor", "quan": "admin"}
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"
# These end the session the run goes by, or never end.
LEFT_OUT = ["/api/logout", "/api/events", "/api/me/password"]


def log_in(address: str, name: str) -> str:
    body = json.dumps({"name": name, "password": "mat-khau-thu-nghiem"}).encode()
    headers = {"content-type": "application/json", "x-stopline-request": "1"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/login", data=body, headers=headers)) as answer:
        return answer.headers["set-cookie"].split(";")[0]


def main() -> int:
    sample, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "100"
    tool = Path(sys.executable).with_name("schemathesis")
    server = subprocess.Popen([sample, "--listen", "127.0.0.1:0", "--plates"], stdout=subprocess.PIPE, text=True)
    faults = 0
    try:
        address = next(line.split()[1] for line in server.stdout if line.startswith("ready "))
        for name, role in PEOPLE.items():
            command = [tool, "run", f"{address}/api/openapi.json", "--url", address, "-H", f"Cookie: {log_in(address, name)}"]
            command += ["-H", "X-Stopline-Request: 1", "--checks", CHECKS, "--max-time", seconds, "--rate-limit", "50/s"]
            command += [part for path in LEFT_OUT for part in ("--exclude-path", path)]
            command += ["--exclude-path-regex", "/api/me/sessions.*", "--request-timeout", "20", "--no-color"]
            said = subprocess.run(command + ["--continue-on-failure"], capture_output=True, text=True).stdout
            faults += len(re.findall(r"Server error", said))
            found = re.search(r"\d+ generated.*", said)
            print(f"{role}: {found.group(0) if found else said[-800:]}", flush=True)
            for title in sorted(set(re.findall(r"^- (.+)$", said, re.M))):
                print(f"    {len(re.findall(f'^- {re.escape(title)}$', said, re.M))} × {title}", flush=True)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
