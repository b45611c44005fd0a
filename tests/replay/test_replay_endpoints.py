from __future__ import annotations

import json
import socket
import time

import pytest
from fault_server import KEY

from depsim_dagster.errors import ConfigurationError, EndpointError
from depsim_dagster.replay.calls.endpoints import Endpoint, check_endpoint
from depsim_dagster.replay.calls.exchange import retry_after


def problem(endpoint: Endpoint, *models: str) -> str:
    with pytest.raises(EndpointError) as caught:
        check_endpoint(endpoint, models)
    message = str(caught.value)
    assert f"`{endpoint.name}`" in message and endpoint.address in message
    assert KEY not in message
    assert caught.value.__context__ is None
    return message


def test_a_usable_endpoint_costs_nothing(server, endpoint):
    server.key = KEY
    check_endpoint(endpoint(api_key=KEY), ["m", "m"])
    assert server.requests == 0


def test_unreachable(endpoint):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        message = problem(endpoint(base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1"), "m")
    assert "no server accepts connections" in message and "base_url" in message
    assert "\n" not in message


def test_a_host_that_does_not_exist(endpoint):
    assert "unreachable" in problem(endpoint(base_url="http://no-such-host.invalid/v1"), "m")


def test_a_server_that_accepts_and_says_nothing(endpoint):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        assert "request_timeout_s" in problem(endpoint(base_url=base_url, request_timeout_s=0.3), "m")


def test_tls_where_there_is_none(server, endpoint):
    assert "unreachable" in problem(endpoint(base_url=server.base_url.replace("http:", "https:")), "m")


@pytest.mark.parametrize(
    ("settings", "way_out"),
    [
        ({"api_key": "sk-wrong", "api_key_env": "MY_KEY"}, "set MY_KEY"),
        ({"api_key_env": "MY_KEY"}, "no key was given: set MY_KEY"),
        ({}, "api_key_env"),
    ],
)
@pytest.mark.parametrize("models_status", [200, 404])
def test_a_refused_key(server, endpoint, settings, way_out, models_status):
    server.key = KEY
    server.models_status = models_status
    message = problem(endpoint(**settings), "m")
    assert "401" in message and way_out in message and "sk-wrong" not in message
    assert server.requests == 0  # nothing is gained by a probe


def test_an_unknown_model_is_named_with_those_that_exist(server, endpoint):
    message = problem(endpoint(), "m", "gpt-x", "gpt-y")
    assert "`gpt-x`" in message and "`gpt-y`" in message and "it lists m" in message
    assert len(message.splitlines()) == 2


def test_a_busy_server_is_asked_again_about_a_model(server, endpoint):
    server.busy = 2
    assert "`gpt-x`" in problem(endpoint(), "gpt-x")
    assert server.requests == 3


def test_a_model_that_is_served_without_being_listed_is_fine(server, endpoint):
    server.served.add("alias")
    check_endpoint(endpoint(), ["alias"])


@pytest.mark.parametrize("models_status", [404, 405, 500])
def test_a_server_without_a_model_list_is_probed(server, endpoint, models_status):
    server.models_status = models_status
    check_endpoint(endpoint(max_tokens_param="max_tokens"), ["m"])
    assert json.loads(server.bodies[0])["max_tokens"] == 1
    assert "`nope`" in problem(endpoint(), "nope")


def test_a_path_without_its_version_is_explained(server, endpoint):
    assert "/v1" in problem(endpoint(base_url=server.base_url.removesuffix("/v1")), "m")


@pytest.mark.parametrize("base_url", ["ftp://x", "x/v1", "http://user:pw@host/v1", ""])
def test_a_base_url_must_be_an_address_without_credentials(base_url):
    with pytest.raises(ConfigurationError) as caught:
        Endpoint("e", base_url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", "", f"{KEY}é"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key):
    with pytest.raises(ConfigurationError, match="MY_KEY") as caught:
        Endpoint("e", "http://host/v1", key, "MY_KEY")
    assert KEY not in str(caught.value)


def test_messages_show_the_address_without_its_query():
    assert Endpoint("e", "https://host:8443/v1?key=secret").address == "https://host:8443/v1"
    assert Endpoint("e", "http://[::1]:1/v1").address == "http://[::1]:1/v1"


@pytest.mark.parametrize(
    "setting",
    ["max_in_flight", "max_attempts", "workers", "tokens_per_minute", "request_timeout_s", "total_timeout_s"],
)
def test_limits_are_positive(setting):
    settings = {setting: 0}
    with pytest.raises(ConfigurationError, match="must be a"):
        Endpoint("e", "http://host/v1", **settings)


def test_retry_after_in_each_of_its_forms():
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "0.5"}) == 0.5
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    now = time.mktime((2026, 1, 5, 12, 0, 0, 0, 0, 0)) - time.timezone
    assert retry_after({"retry-after": "Mon, 05 Jan 2026 12:00:30 GMT"}, now) == 30
    assert retry_after({"retry-after": "Mon, 05 Jan 2026 11:00:00 GMT"}, now) == 0
    for nonsense in ({}, {"retry-after": "soon"}, {"retry-after": "nan"}, {"retry-after": ""}):
        assert retry_after(nonsense) is None
