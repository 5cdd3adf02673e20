"""Engines: run a backbone on batches of pixels, on the processor or a GPU."""

import sys

# OpenVINO reports its use over the network, at import and at each conversion, if this is found
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
