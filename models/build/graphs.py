"""Writes the encoder's ONNX graph, in the form the proxy runs and in plain fp32.

    token_embeddings, attention_mask -> a unit vector for each depth that is asked for

The graph is built node by node, not exported, so that the same input gives the
same bytes. The fp32 form has the same nodes with plain `MatMul`; it is what the
quantised form is measured against.
"""

from typing import Dict, List, Sequence, Tuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from weights import Weights

CONTRIB = "com.microsoft"
OPSETS = [("", 21), (CONTRIB, 1)]
IR_VERSION = 10
# What the encoder that ships gives out, by the layers before it; and the source's.
STUDENT_OUTPUTS = {6: "sentence_embedding"}
SOURCE_OUTPUTS = {6: "layer_6_embedding", 12: "sentence_embedding"}

# Most matrix products round their inputs to 8 bits with one scale for all of
# them. The inputs of these few have outliers, which leave the other values too
# few steps: they get a scale per token and 128 inputs, which is slower.
SENSITIVE = ["l0.fo", "l4.fo", "l5.fo"]
SENSITIVE_BLOCK = 128

# Weights are rounded to 129 steps, not 255: x86 CPUs without VNNI add pairs of
# products in 16 bits, and 2 * 255 * 64 fits where 2 * 255 * 127 would clip.
STEPS = np.float32(64)

TOKENS = ["batch", "sequence"]


class Graph:
    """Collects the nodes and initialisers of one model."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: List[onnx.NodeProto] = []
        self.initializers: List[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """Adds an initialiser; returns its name."""
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self, op: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: object
    ) -> str:
        """Adds a node with one output; returns the output's name."""
        made = helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes)
        self.nodes.append(made)
        return output

    def model(
        self,
        inputs: Sequence[Tuple[str, int, List[object]]],
        outputs: Sequence[Tuple[str, List[object]]],
    ) -> onnx.ModelProto:
        """The finished model. Inputs are (name, type, shape); outputs are fp32."""
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
            self.initializers,
        )
        return helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(*opset) for opset in OPSETS],
            producer_name="intentgate",
        )


def encoder_graph(source: Weights, pooled: Dict[int, str], quantised: bool) -> onnx.ModelProto:
    """The layers up to the last of `pooled`, which names an output for each number of layers."""
    config = source.config
    graph = Graph("encoder")
    mask = _mask(graph)
    graph.node("Cast", ["attention_mask"], "keys", to=TensorProto.INT32)
    hidden = "token_embeddings"
    for index in range(max(pooled)):
        hidden = layer(graph, source, index, hidden, quantised)
        if index + 1 in pooled:
            _pool(graph, hidden, mask, pooled[index + 1])
    return graph.model(
        [
            ("token_embeddings", TensorProto.FLOAT, TOKENS + [config.hidden]),
            ("attention_mask", TensorProto.INT64, TOKENS),
        ],
        [(output, ["batch", config.hidden]) for output in pooled.values()],
    )


def _mask(graph: Graph) -> str:
    """The attention mask as fp32 `[batch, 1, sequence]`."""
    graph.constant("one", np.array([1], np.int64))
    graph.node("Cast", ["attention_mask"], "mask.fp32", to=TensorProto.FLOAT)
    return graph.node("Unsqueeze", ["mask.fp32", "one"], "mask")


def _pool(graph: Graph, hidden: str, mask: str, output: str) -> None:
    """Masked mean over the tokens, L2-normalised.

    The sum is normalised: dividing by the number of tokens first would cancel.
    """
    graph.node("MatMul", [mask, hidden], f"{output}.sum")
    graph.node("Squeeze", [f"{output}.sum", "one"], f"{output}.flat")
    graph.node("LpNormalization", [f"{output}.flat"], output, axis=-1, p=2)


def layer(graph: Graph, source: Weights, index: int, hidden: str, quantised: bool) -> str:
    """One post-norm transformer layer; returns its output's name."""
    config = source.config
    prefix = f"l{index}"
    heads = [
        _linear(graph, source, f"{prefix}.{part}", hidden, config.hidden, quantised)
        for part in ("q", "k", "v")
    ]
    context = graph.node(
        "MultiHeadAttention",
        heads + ["", "keys"],
        f"{prefix}.context",
        CONTRIB,
        num_heads=config.heads,
    )
    attended = _linear(graph, source, f"{prefix}.ao", context, config.hidden, quantised)
    attended = graph.node("Add", [hidden, attended], f"{prefix}.attended")
    hidden = norm(graph, source, f"{prefix}.aln", attended, f"{prefix}.middle")
    inner = _linear(graph, source, f"{prefix}.fi", hidden, config.hidden, quantised)
    inner = graph.node("Gelu", [inner], f"{prefix}.gelu", CONTRIB)
    outer = _linear(graph, source, f"{prefix}.fo", inner, config.feed_forward, quantised)
    outer = graph.node("Add", [hidden, outer], f"{prefix}.outer")
    return norm(graph, source, f"{prefix}.oln", outer, f"{prefix}.hidden")


def norm(graph: Graph, source: Weights, name: str, hidden: str, output: str) -> str:
    """LayerNorm over the last axis.

    Not by `LayerNormalization` or `SkipLayerNormalization`: with these three
    nodes the encoder was measured a tenth faster. Their epsilon is 1e-9, not
    1e-12; both vanish beside the variances here.
    """
    scale = graph.constant(f"{name}.scale", source.vector(f"{name}.w"))
    bias = graph.constant(f"{name}.bias", source.vector(f"{name}.b"))
    graph.node("MeanVarianceNormalization", [hidden], f"{name}.unit", axes=[-1])
    graph.node("Mul", [f"{name}.unit", scale], f"{name}.scaled")
    return graph.node("Add", [f"{name}.scaled", bias], output)


def _linear(
    graph: Graph, source: Weights, name: str, inputs: str, width: int, quantised: bool
) -> str:
    """inputs · weightᵀ + bias, for inputs `[batch, sequence, width]`."""
    weight = source.matrix(f"{name}.w", width).T  # [inputs, outputs]
    bias = graph.constant(f"{name}.bias", source.vector(f"{name}.b"))
    if not quantised:
        graph.node("MatMul", [inputs, graph.constant(f"{name}.weight", weight)], f"{name}.product")
        return graph.node("Add", [f"{name}.product", bias], name)
    if name in SENSITIVE:
        return _by_block(graph, name, inputs, weight.T, bias)
    return _by_column(graph, name, inputs, weight, bias)


def _by_column(graph: Graph, name: str, inputs: str, weight: np.ndarray, bias: str) -> str:
    """int8 weights with a scale per output, inputs quantised as a whole."""
    scales = np.abs(weight).max(axis=0) / STEPS
    integers = np.rint(weight / scales).astype(np.int8)
    integers = graph.constant(f"{name}.weight", integers)
    scales = graph.constant(f"{name}.scale", scales)
    return graph.node(
        "DynamicQuantizeMatMul", [inputs, integers, scales, "", bias], name, CONTRIB
    )


def _by_block(graph: Graph, name: str, inputs: str, weight: np.ndarray, bias: str) -> str:
    """8-bit weights with a scale per output and block, inputs quantised per
    token and block. `weight` is `[outputs, inputs]`."""
    outputs, width = weight.shape
    blocks = weight.reshape(outputs, width // SENSITIVE_BLOCK, SENSITIVE_BLOCK)
    scales = np.abs(blocks).max(axis=2) / np.float32(127)
    integers = np.rint(blocks / scales[:, :, None]) + 128  # zero is stored as 128
    integers = graph.constant(f"{name}.weight", integers.astype(np.uint8))
    scales = graph.constant(f"{name}.scale", scales)
    return graph.node(
        "MatMulNBits",
        [inputs, integers, scales, "", "", bias],
        name,
        CONTRIB,
        K=width,
        N=outputs,
        bits=8,
        block_size=SENSITIVE_BLOCK,
        accuracy_level=4,  # quantise the inputs to int8
    )
