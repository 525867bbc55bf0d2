"""The backbone of an ONNX file in whole numbers of 8 bits, their scales from training images; the rest stays float32.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ajuste_fino.export.extras import quiet
from ajuste_fino.export.formats import BACKBONE, INPUT

KINDS = ["Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "MaxPool", "AveragePool"]


def quantise(source: Path, target: Path, images: Iterable[np.ndarray]) -> None:
    """Write `source` with a backbone of 8 bits: weights by channel, activations between the extremes of these images.

    Args:
        images: (H, W, 3) uint8 each.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.images = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.images, None)
            return None if image is None else {INPUT: image[None]}

    names = [node.name for node in onnx.load(source).graph.node if node.name.startswith(BACKBONE)]
    with quiet():
        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=KINDS,
            nodes_to_quantize=names,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
