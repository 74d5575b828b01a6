import json

from tftransfer.system import caller


def read(path, offset=0):
    return [message for message, _ in caller.messages(path, offset)]


def test_a_command_that_nobody_called_tells_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv(caller.CHANNEL, raising=False)
    monkeypatch.chdir(tmp_path)
    caller.progress(0.5, "half")
    assert not caller.listens()
    assert not list(tmp_path.iterdir())


def test_messages_arrive_in_order_and_from_an_offset_on(monkeypatch, tmp_path):
    path = tmp_path / "messages"
    path.touch()
    monkeypatch.setenv(caller.CHANNEL, str(path))
    assert caller.listens()
    caller.progress(None, "compiling")
    caller.result(network="runs/s/n")
    caller.failure("no", "ValueError")
    first, *rest = caller.messages(path, 0)
    assert (first[0]["kind"], first[0]["fraction"], first[0]["text"]) == ("progress", None, "compiling")
    assert [message["kind"] for message in read(path, first[1])] == ["result", "failure"]
    assert rest[0][0]["network"] == "runs/s/n"


def test_a_line_that_is_not_finished_waits(tmp_path):
    path = tmp_path / "messages"
    path.write_bytes(b'{"kind": "result"}\n{"kind": "fail')
    ((message, offset),) = caller.messages(path, 0)
    assert message == {"kind": "result"}
    with path.open("ab") as file:
        file.write(b'ure"}\n')
    assert read(path, offset) == [{"kind": "failure"}]


def test_a_caller_that_has_gone_does_not_stop_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv(caller.CHANNEL, str(tmp_path / "gone" / "messages"))
    caller.progress(0.1, "on")


def test_parts_follow_each_other(monkeypatch, tmp_path):
    path = tmp_path / "messages"
    monkeypatch.setenv(caller.CHANNEL, str(path))
    parts = caller.Parts(2)
    for name, fraction in (("baseB", 0.5), ("baseB", 1.0), ("A4B", 0.5), ("A4B", 1.0), ("one too many", 1.0)):
        parts.tell(name, fraction, name)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [message["fraction"] for message in told] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert told[2]["text"] == "A4B (2 of 2)"
