"""What a request is answered with."""

import json
import threading
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest
from support.served_replica import Served, served

SOURCE = """
import dataclasses, datetime, sys, time
from runtime.replica.errors import InputError
from runtime.replica.media import Image

@dataclasses.dataclass
class Box:
    left: int

class Array:
    def tolist(self): return [1.5, 2.5]

class Base:
    def inherited(self): return "base"

class Service(Base):
    def infer(self, text: str, times: int = 2, json=None, _hidden: bool = False):
        return [text * times, json, _hidden]

    def slow(self, seconds: float):
        began = time.monotonic()
        time.sleep(seconds)
        return [began, time.monotonic()]

    def two_words(self): return "/two-words"
    def anything(self, **values): return values
    def rich(self): return {"box": Box(3), "set": {1}, "day": datetime.date(2026, 1, 2), "array": Array()}
    def separator(self): return "\\u2028"
    def nan(self): return float("nan")
    def thing(self): return {"a": object()}
    def raises(self): raise RuntimeError("the model broke")
    def exits(self): sys.exit(4)
    def refuses(self): raise InputError("the picture is upside down")
    def size(self, image: Image) -> int: return len(image.to_bytes())
    def _private(self): return "hidden"
    async def on_the_loop(self): return "loop"
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One runner for all of these: a broken answer must not break the next."""
    with served(tmp_path_factory.mktemp("service"), SOURCE) as runner:
        yield runner.until_healthy()


def test_the_envelope_has_output_and_true_milliseconds(runner: Served) -> None:
    """Callers read `output`; the times are milliseconds, not seconds."""
    body = runner.post("/slow", seconds=0.2).json()

    assert set(body) == {"output", "analytics"}
    assert 200 <= body["analytics"]["inference_time_ms"] <= body["analytics"]["performance_time_ms"] < 5000


def test_values_are_coerced_defaults_kept_and_unknown_keys_ignored(runner: Served) -> None:
    """What OctoAI's clients were used to send goes through."""
    answer = runner.post(text="ab", times="3", json={"a": 1}, nobody="knows")

    assert answer.json()["output"] == ["ababab", {"a": 1}, False]


def test_a_parameter_may_begin_with_an_underscore(runner: Served) -> None:
    """Names that pydantic refuses for its fields, such as `_x` or `json`, are fine here."""
    assert runner.post(text="", _hidden=True).json()["output"] == ["", None, True]


def test_a_body_without_content_type_is_json_all_the_same(runner: Served) -> None:
    """One of OctoAI's clients sends none for streams."""
    answer = httpx.post(runner.url + "/infer", content=b'{"text": "a"}')

    assert answer.json()["output"][0] == "aa"


def test_an_empty_body_is_an_empty_object(runner: Served) -> None:
    """A method without parameters needs no body."""
    assert httpx.post(runner.url + "/two-words").json()["output"] == "/two-words"


def test_any_keyword_is_taken_where_the_method_takes_any(runner: Served) -> None:
    """`**values` is the model without a schema."""
    assert runner.post("/anything", a=1, b="c").json()["output"] == {"a": 1, "b": "c"}


def test_models_dataclasses_sets_dates_and_arrays_become_json(runner: Served) -> None:
    """Arrays by their `tolist()`, without importing their library."""
    output = runner.post("/rich").json()["output"]

    assert output == {"box": {"left": 3}, "set": [1], "day": "2026-01-02", "array": [1.5, 2.5]}


def test_json_is_escaped_to_ascii(runner: Served) -> None:
    """A raw U+2028 ends a line for some clients."""
    assert b'"\\u2028"' in runner.post("/separator").content


def test_an_async_infer_runs_on_the_loop(runner: Served) -> None:
    """`async def` methods are awaited."""
    assert runner.post("/on-the-loop").json()["output"] == "loop"


def test_bad_input_is_422_with_one_entry_a_fault(runner: Served) -> None:
    """The shape that the clients parse."""
    answer = runner.post(times="many")

    assert answer.status_code == 422
    assert [(entry["type"], entry["loc"]) for entry in answer.json()["detail"]] == [
        ("missing", ["body", "text"]),
        ("int_parsing", ["body", "times"]),
    ]
    assert all(set(entry) == {"type", "loc", "msg", "input"} for entry in answer.json()["detail"])


@pytest.mark.parametrize("body", [b"{", b"NaN", b"[1]", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_422(runner: Served, body: bytes) -> None:
    """A caller's fault is never a 500, which would be retried."""
    answer = httpx.post(runner.url + "/infer", content=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/raises", "RuntimeError: the model broke"),
        ("/exits", "the service raised SystemExit(4)"),
        ("/thing", "builtins.object has no form in JSON"),
        ("/nan", "Out of range float values are not JSON compliant"),
    ],
)
def test_a_failing_service_is_500_with_its_traceback_in_the_log(
    runner: Served, path: str, logged: str
) -> None:
    """Nothing of the fault leaks to the caller, and the next request is served."""
    answer = runner.post(path)

    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["content-type"].startswith("text/plain")
    assert logged in runner.log
    assert runner.post("/two-words").status_code == 200


def test_a_service_may_refuse_an_input(runner: Served) -> None:
    """For what types cannot say."""
    answer = runner.post("/refuses")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "the picture is upside down"


def test_media_come_as_base64(runner: Served) -> None:
    """A bare string is no medium."""
    assert runner.post("/size", image={"data": "AAEC"}).json()["output"] == 3
    assert runner.post("/size", image="AAEC").status_code == 422
    assert runner.post("/size", image={"data": "?"}).status_code == 422


def test_a_private_media_url_is_refused(runner: Served) -> None:
    """A caller must not read the private network through the model."""
    answer = runner.post("/size", image={"data": {"url": runner.url + "/healthcheck"}})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "127.0.0.1 is not on the public internet"


@pytest.mark.parametrize("path", ["/nowhere", "/_private", "/-private", "/setup", "/inherited-not"])
def test_unknown_and_private_methods_are_no_routes(runner: Served, path: str) -> None:
    """Hooks and private methods stay inside."""
    assert runner.post(path).status_code == 404


def test_an_inherited_method_of_the_same_module_is_a_route(runner: Served) -> None:
    """As in OctoAI's server; base classes of libraries bring none."""
    assert runner.post("/inherited").json()["output"] == "base"


def test_get_of_a_route_is_405(runner: Served) -> None:
    """Routes are POST only."""
    answer = httpx.get(runner.url + "/infer")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_openapi_describes_input_and_output(runner: Served) -> None:
    """The form of the web page is drawn from it."""
    document = httpx.get(runner.url + "/openapi.json").json()

    schemas = document["components"]["schemas"]
    infer = schemas["infer_input"]
    assert infer["required"] == ["text"]
    assert infer["properties"]["times"] == {"default": 2, "title": "times", "type": "integer"}
    assert set(httpx.get(runner.url + "/").json()["routes"]) == set(document["paths"])
    assert "Image" in schemas


def test_two_requests_never_overlap(runner: Served) -> None:
    """One request at a time, ever."""
    spans: list[list[float]] = []
    callers = [
        threading.Thread(target=lambda: spans.append(runner.post("/slow", seconds=0.1).json()["output"]))
        for _ in range(5)
    ]

    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    spans.sort()
    assert len(spans) == 5
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_the_health_path_answers_while_the_model_infers(runner: Served) -> None:
    """The loop is free while the thread works."""
    caller = threading.Thread(target=lambda: runner.post("/slow", seconds=0.5))
    caller.start()

    health = runner.health()

    assert health is not None
    assert json.loads(health.text)["status"] == "RUNNING"
    caller.join()
