"""The messages of KEDA's external-scaler contract, made from a description of their fields.

No generated code: the contract has seven small messages, whose names and numbers are public and will not change.
Source: github.com/kedacore/keda, pkg/scalers/externalscaler/externalscaler.proto, read 2026-11-25.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "externalscaler"
SERVICE = f"{PACKAGE}.ExternalScaler"

_ENTRY = "ScaledObjectRef.ScalerMetadataEntry"
_FIELDS = {
    "ScaledObjectRef": (
        ("name", 1, "string"),
        ("namespace", 2, "string"),
        ("scalerMetadata", 3, f"[{_ENTRY}]"),
    ),
    "IsActiveResponse": (("result", 1, "bool"),),
    "GetMetricSpecResponse": (("metricSpecs", 1, "[MetricSpec]"),),
    "MetricSpec": (("metricName", 1, "string"), ("targetSize", 2, "int64"), ("targetSizeFloat", 3, "double")),
    "GetMetricsRequest": (("scaledObjectRef", 1, "ScaledObjectRef"), ("metricName", 2, "string")),
    "GetMetricsResponse": (("metricValues", 1, "[MetricValue]"),),
    "MetricValue": (
        ("metricName", 1, "string"),
        ("metricValue", 2, "int64"),
        ("metricValueFloat", 3, "double"),
    ),
}
"""Message to its fields: name, number and type; brackets: any number of them."""


@dataclass(frozen=True, slots=True)
class Messages:
    """The classes of the messages."""

    scaled_object: Any
    is_active: Any
    metric_specs: Any
    metric_spec: Any
    metrics_request: Any
    metrics: Any
    metric: Any


def make_messages() -> Messages:
    """The classes, in a pool of their own: two of one name in the default pool would clash."""
    pool = DescriptorPool()
    pool.Add(_describe())

    def made(name: str) -> Any:
        return GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    return Messages(
        scaled_object=made("ScaledObjectRef"),
        is_active=made("IsActiveResponse"),
        metric_specs=made("GetMetricSpecResponse"),
        metric_spec=made("MetricSpec"),
        metrics_request=made("GetMetricsRequest"),
        metrics=made("GetMetricsResponse"),
        metric=made("MetricValue"),
    )


def _describe() -> FileDescriptorProto:
    file = FileDescriptorProto(name="externalscaler.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add_field(message, *field)
    entry = next(each for each in file.message_type if each.name == "ScaledObjectRef").nested_type.add(
        name="ScalerMetadataEntry"
    )
    _add_field(entry, "key", 1, "string")
    _add_field(entry, "value", 2, "string")
    entry.options.map_entry = True
    return file


def _add_field(message: DescriptorProto, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number, json_name=name)
    is_many, kind = kind.startswith("["), kind.strip("[]")
    field.label = FieldDescriptorProto.LABEL_REPEATED if is_many else FieldDescriptorProto.LABEL_OPTIONAL
    if kind in {"string", "bool", "int64", "double"}:
        field.type = getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
