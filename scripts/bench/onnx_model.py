"""Makes the folder that transformers.js loads of a GGUF file of qwen2: onnx_model.py MODEL.gguf TOKENIZER-FOLDER FOLDER

Published ONNX files lie where a machine without a network cannot fetch them. This one has the same weights as the GGUF
file, rounded to 8 bits for each column as `dtype: "q8"` means it (ONNX Runtime's dynamic quantization), a token table
in f32, and the fused attention of the published files of 2026. TOKENIZER-FOLDER has tokenizer.json and
tokenizer_config.json. Needs the packages gguf, numpy and onnx.
"""

import json
import pathlib
import shutil
import sys

import gguf
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

CONTEXT_TOKENS = 4096


class Graph:
    """Collects nodes and weights; each method adds one step and returns the name of its result."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def constant(self, array):
        self.count += 1
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), f"w{self.count}"))
        return f"w{self.count}"

    def op(self, kind, *inputs, outputs=1, domain="", names=None, **attributes):
        self.count += 1
        names = names or [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0] if len(names) == 1 else names

    def linear(self, quantized, weight, bias=None):
        """Multiplies `quantized`, which DynamicQuantizeLinear made, by `weight` [out, in]."""
        x, x_scale, x_zero = quantized
        scale = np.maximum(np.abs(weight).max(axis=1), 1e-12) / 127
        rounded = np.rint(weight / scale[:, None]).astype(np.int8).T
        zero = self.constant(np.zeros(scale.shape, np.int8))
        product = self.op("MatMulInteger", x, self.constant(rounded), x_zero, zero)
        scales = self.op("Mul", x_scale, self.constant(scale.astype(np.float32)))
        y = self.op("Mul", self.op("Cast", product, to=TensorProto.FLOAT), scales)
        return y if bias is None else self.op("Add", y, self.constant(bias))

    def norm(self, x, weight, eps):
        y = self.op("SimplifiedLayerNormalization", x, self.constant(weight), epsilon=eps, axis=-1)
        return self.op("DynamicQuantizeLinear", y, outputs=3)


def main():
    reader = gguf.GGUFReader(sys.argv[1])
    tokenizer, folder = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    field = lambda name: reader.fields[name].contents()
    assert field("general.architecture") == "qwen2", "only qwen2 is known here"
    layers, width, heads, kv_heads, eps, base = (
        field("qwen2." + name)
        for name in (
            "block_count",
            "embedding_length",
            "attention.head_count",
            "attention.head_count_kv",
            "attention.layer_norm_rms_epsilon",
            "rope.freq_base",
        )
    )
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    weight = lambda name: gguf.dequantize(tensors[name].data, tensors[name].tensor_type).astype(np.float32)
    head = width // heads
    angles = np.outer(np.arange(CONTEXT_TOKENS), base ** (-np.arange(0, head, 2) / head))
    graph = Graph()
    cos, sin = (graph.constant(f(angles).astype(np.float32)) for f in (np.cos, np.sin))
    table = weight("token_embd.weight")
    x = graph.op("Gather", graph.constant(table), "input_ids")
    ones = graph.constant(np.array([1], np.int64))
    int32 = lambda name: graph.op("Cast", name, to=TensorProto.INT32)
    length = graph.op("ReduceSum", "attention_mask", ones, keepdims=0)
    last = int32(graph.op("Sub", length, ones))
    total = int32(graph.op("Gather", graph.op("Shape", "attention_mask"), graph.constant(np.array(1, np.int64))))
    cache = lambda kind, layer, size: [
        helper.make_tensor_value_info(
            f"{kind}.{layer}.{part}", TensorProto.FLOAT, ["batch_size", kv_heads, size, head]
        )
        for part in ("key", "value")
    ]
    # transformers.js knows the name "batch_size"; sizes by other names it takes to be 0 at first.
    past, present = [], []
    for layer in range(layers):
        of = lambda name: weight(f"blk.{layer}.{name}")
        y = graph.norm(x, of("attn_norm.weight"), eps)
        qkv = [graph.linear(y, of(f"attn_{part}.weight"), of(f"attn_{part}.bias")) for part in "qkv"]
        past += cache("past_key_values", layer, "past")
        present += cache("present", layer, "total")
        attended = graph.op(
            "GroupQueryAttention",
            *qkv,
            *[info.name for info in past[-2:]],
            last,
            total,
            cos,
            sin,
            domain="com.microsoft",
            names=[f"attention{layer}", *[info.name for info in present[-2:]]],
            num_heads=heads,
            kv_num_heads=kv_heads,
            do_rotary=1,
        )[0]
        attended = graph.op("DynamicQuantizeLinear", attended, outputs=3)
        x = graph.op("Add", x, graph.linear(attended, of("attn_output.weight")))
        y = graph.norm(x, of("ffn_norm.weight"), eps)
        gate, up = (graph.linear(y, of(f"ffn_{part}.weight")) for part in ("gate", "up"))
        silu = graph.op("Mul", gate, graph.op("Sigmoid", gate))
        product = graph.op("DynamicQuantizeLinear", graph.op("Mul", silu, up), outputs=3)
        x = graph.op("Add", x, graph.linear(product, of("ffn_down.weight")))
    y = graph.norm(x, weight("output_norm.weight"), eps)
    output = weight("output.weight") if "output.weight" in tensors else table
    logits = graph.linear(y, output)
    graph.op("Identity", logits, names=["logits"])
    info = helper.make_tensor_value_info
    inputs = [info(name, TensorProto.INT64, ["batch_size", size]) for name, size in (("input_ids", "new"), ("attention_mask", "total"))]
    outputs = [info("logits", TensorProto.FLOAT, ["batch_size", "new", len(output)])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "qwen2", inputs + past, outputs + present, graph.weights),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    save(model, folder / "onnx/model_quantized.onnx")
    end = int(field("tokenizer.ggml.eos_token_id"))
    config = {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head,
        "vocab_size": len(output),
        "eos_token_id": end,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": end}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, folder / name)


main()
