"""The messages of ``externalscaler.proto``, made of a table: no generated code has to be kept in step with a compiler.

Imported only where KEDA is served: protobuf comes with the extra ``cloud``.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "externalscaler"
SERVICE: Final = f"{PACKAGE}.ExternalScaler"
_TEXT, _BOOL, _INT64, _DOUBLE, _MESSAGE = 9, 8, 3, 1, 11
"""Types of fields, as descriptors number them."""
_ONE, _ANY = 1, 3
"""How many of a field: descriptors' labels."""
_MESSAGES: Final[dict[str, tuple[tuple[str, int, str], ...]]] = {
    "ScaledObjectRef": (("name", _TEXT, ""), ("namespace", _TEXT, ""), ("scalerMetadata", _MESSAGE, "*Entry")),
    "IsActiveResponse": (("result", _BOOL, ""),),
    "GetMetricSpecResponse": (("metricSpecs", _MESSAGE, "*MetricSpec"),),
    "MetricSpec": (("metricName", _TEXT, ""), ("targetSize", _INT64, ""), ("targetSizeFloat", _DOUBLE, "")),
    "GetMetricsRequest": (("scaledObjectRef", _MESSAGE, "ScaledObjectRef"), ("metricName", _TEXT, "")),
    "GetMetricsResponse": (("metricValues", _MESSAGE, "*MetricValue"),),
    "MetricValue": (("metricName", _TEXT, ""), ("metricValue", _INT64, ""), ("metricValueFloat", _DOUBLE, "")),
}
"""Message -> its fields in the order of their numbers: name, type, and of which message (``*``: any number of them)."""
_ENTRY: Final = "ScalerMetadataEntry"


def _file() -> Any:
    file: Any = descriptor_pb2.FileDescriptorProto(
        name="matchday/externalscaler.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, of) in enumerate(fields, start=1):
            added = message.field.add(name=field, number=number, type=kind, json_name=field)
            added.label = _ANY if of.startswith("*") else _ONE
            if of == "*Entry":
                added.type_name = f".{PACKAGE}.{name}.{_ENTRY}"
                entry = message.nested_type.add(name=_ENTRY)
                entry.options.map_entry = True
                for place, part in enumerate(("key", "value"), start=1):
                    entry.field.add(name=part, number=place, type=_TEXT, label=_ONE, json_name=part)
            elif of:
                added.type_name = f".{PACKAGE}.{of.lstrip('*')}"
    return file


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def message(name: str) -> Any:
    """The class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


METHODS: Final = {
    "IsActive": ("ScaledObjectRef", "IsActiveResponse", False),
    "StreamIsActive": ("ScaledObjectRef", "IsActiveResponse", True),
    "GetMetricSpec": ("ScaledObjectRef", "GetMetricSpecResponse", False),
    "GetMetrics": ("GetMetricsRequest", "GetMetricsResponse", False),
    "StreamMetricSpec": ("ScaledObjectRef", "GetMetricSpecResponse", True),
}
"""Call -> what is asked with, what is answered, and whether answers are a stream."""
