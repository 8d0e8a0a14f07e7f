"""Rows for streaming queries of the tests, and what the queries gave."""
import json


class Feed:
    """A folder of JSON files that a stream reads, and a folder with what the query gave."""

    def __init__(self, folder, schema):
        self.folder, self.schema, self.files = folder, schema, 0
        self.source, self.out, self.checkpoint = folder / "in", folder / "out", folder / "checkpoint"
        self.source.mkdir()
        self.rows = []

    def put(self, *rows):
        self.files += 1
        path = self.folder / "file.json"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        path.rename(self.source / f"{self.files:04}.json")

    def stream(self, spark):
        return spark.readStream.schema(self.schema).json(str(self.source))

    def run(self, frame, *rows, mode="append"):
        """One run of the query over the new rows, a restart each time: what it gave, sorted; or the query."""
        if rows:
            self.put(*rows)
        writer = frame.writeStream.outputMode(mode).option("checkpointLocation", str(self.checkpoint))
        query = writer.format("delta" if mode == "append" else "noop").trigger(availableNow=True).start(str(self.out))
        query.awaitTermination(60)
        if query.exception() is not None:
            raise query.exception()
        if mode != "append":
            return query
        before, self.rows = self.rows, [
            tuple(row) for row in frame.sparkSession.read.format("delta").load(str(self.out)).collect()]
        new = list(self.rows)
        for row in before:
            new.remove(row)
        return sorted(new, key=repr)
