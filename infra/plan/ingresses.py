"""How clients come in: which Ingress, which hosts, which port of the gateway, and for how long."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from infra.plan.values import IngressPlan
from infra.spec.model import Endpoint, Spec
from infra.spec.stack import IngressClass, Stack
from runtime.wire.cluster import ALL_PORT, PUBLIC_PORT
from runtime.wire.names import short

LONGEST_HOLD_SECONDS = 3600
"""Longest that a load balancer keeps a request: what an hour-long idle timeout allows."""
SLACK_SECONDS = 10
"""What a hop may take beyond the request itself."""


def host_of(endpoint: Endpoint, spec: Spec, stack: Stack) -> str:
    """The endpoint's own host."""
    return f"{endpoint.name}-{spec.account}.{stack.domain}"


def held_seconds(endpoint: Endpoint) -> int:
    """Longest that a sync request of the endpoint is held: both deadlines, as far as load balancers go."""
    limits = endpoint.limits
    return min(limits.queue_seconds + limits.request_seconds + SLACK_SECONDS, LONGEST_HOLD_SECONDS)


def plan_ingresses(spec: Spec, stack: Stack) -> tuple[IngressPlan, ...]:
    """Every Ingress of the stack, sorted by name."""
    public, private = stack.ingress.public, stack.ingress.private
    found: list[IngressPlan] = []
    if public is not None:
        found += _of_class("public", public, PUBLIC_PORT, spec, stack)
    # A load balancer is made only when an endpoint needs it.
    if private is not None and any(endpoint.ingress == "private" for endpoint in spec.endpoints):
        found += _of_class("private", private, ALL_PORT, spec, stack)
    return tuple(sorted(found, key=lambda ingress: ingress.name))


def _of_class(kind: str, ingress: IngressClass, port: int, spec: Spec, stack: Stack) -> Iterator[IngressPlan]:
    platform = f"api.{stack.domain}"
    if stack.ingress.hosts == "wildcard":
        every = _ingress(f"all-{kind}", (f"*.{stack.domain}", platform), ingress, LONGEST_HOLD_SECONDS, stack)
        yield replace(every, port=port)
        return
    yield replace(_ingress(f"api-{kind}", (platform,), ingress, LONGEST_HOLD_SECONDS, stack), port=port)
    for endpoint in spec.endpoints:
        if endpoint.ingress == kind:
            # An endpoint may be called `api` too.
            name, host = short(f"endpoint-{endpoint.name}-{kind}"), host_of(endpoint, spec, stack)
            own = _ingress(name, (host,), ingress, held_seconds(endpoint), stack)
            yield replace(own, endpoint=endpoint.name, port=port)


def _ingress(
    name: str, hosts: tuple[str, ...], ingress: IngressClass, seconds: int, stack: Stack
) -> IngressPlan:
    """An Ingress of several endpoints on the public port."""
    tls = stack.ingress.tls
    issuer = {"cert-manager.io/cluster-issuer": tls.issuer} if tls is not None and tls.issuer else {}
    rendered = _controller_annotations(ingress, seconds, is_tls=tls is not None)
    return IngressPlan(
        name=name,
        endpoint=None,
        class_name=ingress.class_name,
        hosts=hosts,
        port=PUBLIC_PORT,
        tls_secret=None if tls is None else tls.secret or short(f"tls-{name}"),
        annotations=dict(sorted({**rendered, **issuer, **ingress.annotations}.items())),
        seconds=seconds,
    )


def _controller_annotations(ingress: IngressClass, seconds: int, *, is_tls: bool) -> Mapping[str, str]:
    """Time-outs, sizes and streaming in the controller's own words; Traefik's are set at its own installation."""
    if ingress.controller == "nginx":
        prefix = "nginx.ingress.kubernetes.io"
        return {
            f"{prefix}/proxy-read-timeout": str(seconds),
            f"{prefix}/proxy-send-timeout": str(seconds),
            f"{prefix}/proxy-body-size": "0",  # the gateway knows each endpoint's bound
            f"{prefix}/proxy-buffering": "off",
            f"{prefix}/proxy-request-buffering": "off",
            f"{prefix}/proxy-next-upstream": "off",  # a request that was accepted is never sent twice
        }
    if ingress.controller == "traefik":
        return {"traefik.ingress.kubernetes.io/router.entrypoints": "websecure" if is_tls else "web"}
    return {}
