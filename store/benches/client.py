"""clickhouse-connect inserts the passages that lie in the engine once more: ROWS BATCH ENGINE_PID. Prints seconds as JSON."""

import json
import os
import sys
import time

import clickhouse_connect

rows, batch, engine = (int(word) for word in sys.argv[1:])


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


client = clickhouse_connect.get_client(
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
    username=os.environ["CLICKHOUSE_USER"],
    password=os.environ["CLICKHOUSE_PASSWORD"],
    database="stopline",
    # On loopback packing costs more than it saves; stopline does not pack there either.
    compress=False,
)
found = client.query(f"SELECT * FROM passages ORDER BY utc LIMIT {rows}")
data = [list(row) for row in found.result_rows]
assert len(data) == rows, len(data)
names = found.column_names
# Insert contexts are made once and used again, as its documentation advises.
context = client.create_insert_context("by_client", names)
cpu, engine_cpu, clock = time.process_time(), cpu_of(engine), time.perf_counter()
for begin in range(0, rows, batch):
    context.data = data[begin : begin + batch]
    client.insert(context=context)
print(
    json.dumps(
        {
            "insert": time.perf_counter() - clock,
            "client_cpu": time.process_time() - cpu,
            "engine_cpu": cpu_of(engine) - engine_cpu,
        }
    )
)
