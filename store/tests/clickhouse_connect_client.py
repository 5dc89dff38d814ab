"""clickhouse-connect against the embedded ClickHouse: what analysts do with it. Exits with 0 when all of it works."""

import datetime
import gzip
import os

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

where = {
    "host": "127.0.0.1",
    "port": int(os.environ["PORT"]),
    "username": os.environ["CLICKHOUSE_USER"],
    "password": os.environ["CLICKHOUSE_PASSWORD"],
}
client = clickhouse_connect.get_client(**where)
assert client.server_version.count(".") == 3, client.server_version

client.command(
    "CREATE TABLE t (id UInt64, name String, at DateTime64(6, 'UTC'), measured Map(String, Float64),"
    " speed Nullable(Float64), lane LowCardinality(String), points Array(Float32)) ENGINE = MergeTree ORDER BY id"
)
noon = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.timezone.utc)
rows = [
    [i, f" ữ{i}\n\0", noon + datetime.timedelta(microseconds=i), {"a": 0.5}, None if i % 2 else 1.5, "1", [1.0, 2.0]]
    for i in range(50_000)
]
columns = ["id", "name", "at", "measured", "speed", "lane", "points"]
assert client.insert("t", rows, column_names=columns).written_rows == len(rows)
# UTC comes back without a zone: the client's own way.
expected = [(*row[:2], row[2].replace(tzinfo=None), *row[3:]) for row in rows]
assert client.query("SELECT * FROM t ORDER BY id").result_rows == expected

found = client.query("SELECT id FROM t WHERE name = {name:String} AND id IN {ids:Array(UInt64)}",
                     parameters={"name": " ữ7\n\0", "ids": [6, 7]})
assert found.result_rows == [(7,)], found.result_rows
quoted = client.query("SELECT {x:String}", parameters={"x": "a'b\\ \t"}).result_rows
assert quoted == [("a'b\\ \t",)], quoted

total = 0
with client.query_row_block_stream("SELECT number FROM numbers(3000000)") as stream:
    for block in stream:
        total += len(block)
assert total == 3_000_000, total

try:
    client.query("SELECT nope FROM t")
    raise AssertionError("an unknown column was taken")
except DatabaseError as error:
    assert "code: 47" in str(error).lower(), error

client.raw_insert("t", ["id", "name"], "100000,x\n100001,y\n", fmt="CSV")
client.raw_insert("t", ["id", "name"], gzip.compress(b"100002,x\n"), fmt="CSV", compression="gzip")
for coding in ["gzip", "lz4", "zstd", False]:
    other = clickhouse_connect.get_client(**where, compress=coding)
    assert other.query("SELECT count() FROM t").result_rows == [(50_003,)], coding
    assert len(other.query("SELECT * FROM t").result_rows) == 50_003, coding
    other.insert("t", [[200_000]], column_names=["id"])
    other.command("ALTER TABLE t DELETE WHERE id = 200000 SETTINGS mutations_sync = 1")
assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 3}).result_rows == [(3,)]
assert client.raw_query("SELECT 1 AS a FORMAT JSONEachRow") == b'{"a":1}\n'
