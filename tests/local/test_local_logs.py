"""Log files and their bounds."""

from pathlib import Path

from runtime.local.logs import KEPT_BYTES, TRIM_BYTES, drop_old, last_lines, size_of, trim


def test_last_lines_are_those_since_the_last_start(tmp_path: Path) -> None:
    """At most so many, at most so many bytes."""
    log = tmp_path / "a.log"
    log.write_text("old\n")
    begin = size_of(log)
    log.write_text("old\n" + "".join(f"line {number}\n" for number in range(30)))

    assert last_lines(log, 2, begin) == "line 28\nline 29"
    assert last_lines(log, 100, begin).startswith("line 0\n")
    assert len(last_lines(log, 100, begin, most_bytes=20)) <= 20
    assert last_lines(tmp_path / "none.log", 5) == ""


def test_a_large_log_is_cut_and_its_writer_goes_on_at_the_end(tmp_path: Path) -> None:
    """It appends."""
    log = tmp_path / "a.log"
    with log.open("ab") as writer:
        writer.write(b"x" * (TRIM_BYTES + 1))
        writer.flush()

        trim(log)
        writer.write(b"end")

    assert size_of(log) == KEPT_BYTES + 3
    assert log.read_bytes().endswith(b"xend")


def test_old_logs_go_but_not_those_of_living_replicas(tmp_path: Path) -> None:
    """Twenty stay."""
    for number in range(30):
        (tmp_path / f"r{number:02}.log").touch()
    (tmp_path / "alive.worker.log").touch()

    drop_old(tmp_path, {"alive"})

    assert len(list(tmp_path.iterdir())) == 21
    assert (tmp_path / "alive.worker.log").exists()
