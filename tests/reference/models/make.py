"""Makes the small models beside it, of random weights, and what their makers' own code makes of a few texts.

Run in this folder with what requirements.txt names: `python make.py`. Each model has the files of its shape as
the hub serves them, and an ONNX graph instead of the weights. `expected.json` in each folder holds the vectors.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import numpy
import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    DynamicCache,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    XLMRobertaConfig,
    XLMRobertaModel,
)

HERE = Path(__file__).resolve().parent
SOURCES = [
    "我要退款，订单还没发货", "什么时候发货", "能开发票吗", "这件衣服有没有大码", "where is my refund",
    "how long does shipping take", "do you have this in blue", "今天天气怎么样", "tell me a joke", "退货地址在哪里",
]
TEXTS = [
    "我要退款", "什么时候发货", "Where is my REFUND?", "订单 123 还没发货，怎么办？", "joke",
    "how long does shipping take, and do you have this in blue? 退货地址在哪里，能开发票吗", "😀 ok",
]
# Longer than any of the models reads.
LONG = "退款 refund shipping " * 40
INSTRUCTION = "Instruct: Given a question, find questions of the same meaning\nQuery:"
LENGTH = 96


def wordpiece():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(SOURCES, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    names = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LENGTH, **names)


def unigram():
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(SOURCES, trainer)
    marks = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=marks)
    names = dict(pad_token="<pad>", unk_token="<unk>", cls_token="<s>", bos_token="<s>", sep_token="</s>", eos_token="</s>")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LENGTH, **names)


def byte_pairs():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SOURCES, trainer)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]),
    ])
    names = dict(pad_token="<|endoftext|>", eos_token="<|endoftext|>", padding_side="left")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=160, **names)


def bert(tokenizer):
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=LENGTH, pad_token_id=tokenizer.pad_token_id, attn_implementation="eager",
    )
    return BertModel(config, add_pooling_layer=False)


def xlm_roberta(tokenizer):
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=LENGTH + 2, pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1,
        attn_implementation="eager",
    )
    return XLMRobertaModel(config, add_pooling_layer=False)


def qwen3(tokenizer):
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, intermediate_size=48, max_position_embeddings=160, pad_token_id=0, eos_token_id=0,
        attn_implementation="eager",
    )
    return Qwen3Model(config)


def spread(model):
    """Random weights of a usual start give vectors that hardly differ; these do."""
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.25)
        elif "bias" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model.eval()


class Graph(torch.nn.Module):
    """What is exported: the model with inputs by position and outputs as a plain tuple."""

    def __init__(self, model, inputs, finish=None):
        super().__init__()
        self.model, self.inputs, self.finish = model, inputs, finish

    def forward(self, *values):
        given = dict(zip(self.inputs, values))
        hidden = self.model(**given, return_dict=True, **({"use_cache": False} if "position_ids" in given else {}))
        hidden = hidden.last_hidden_state
        return self.finish(hidden, given["attention_mask"]) if self.finish else hidden


def export(model, inputs, path, outputs=("last_hidden_state",), finish=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    ones = torch.ones(2, 5, dtype=torch.long)
    values = tuple({"token_type_ids": ones * 0, "position_ids": ones.cumsum(1) - 1}.get(name, ones) for name in inputs)
    graph = Graph(model, inputs, finish).eval()
    # What dynamo=True makes of BERT, XLM-R and Qwen3 without a cache does not give what the model gives.
    axes = {name: {0: "batch", 1: "length"} for name in (*inputs, *outputs)}
    for name in set(outputs) & {"sentence_embedding", "dense_vecs"}:
        del axes[name][1]
    torch.onnx.export(
        graph, values, str(path), input_names=list(inputs), output_names=list(outputs), dynamic_axes=axes,
        dynamo=False,
    )
    slim(path)


def slim(path):
    """Takes out what the exporter notes of where each node came from: thrice the size of the graph."""
    graph = onnx.load(path)
    for node in graph.graph.node:
        del node.metadata_props[:]
    del graph.graph.value_info[:]
    onnx.save(graph, path)


def rename(graph, old, new):
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def halve(path, target):
    """The graph with 32-bit ids and a 16-bit output."""
    whole = onnx.load(path)
    graph = whole.graph
    for value in graph.input:
        rename(graph, value.name, f"{value.name}_64")
        graph.node.insert(0, helper.make_node("Cast", [value.name], [f"{value.name}_64"], to=TensorProto.INT64))
        value.type.tensor_type.elem_type = TensorProto.INT32
    output = graph.output[0]
    rename(graph, output.name, f"{output.name}_32")
    graph.node.append(helper.make_node("Cast", [f"{output.name}_32"], [output.name], to=TensorProto.FLOAT16))
    output.type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(whole, target)


def ask_task(path, target):
    """The graph with an input task_id, of which 2 alone gives the vectors that are expected."""
    whole = onnx.load(path)
    graph = whole.graph
    output = graph.output[0].name
    rename(graph, output, "plain")
    graph.input.append(helper.make_tensor_value_info("task_id", TensorProto.INT64, []))
    for name, array in {"two": numpy.array(2, dtype="int64"), "ramp": numpy.arange(32, dtype="float32")}.items():
        graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    graph.node.extend([
        helper.make_node("Sub", ["task_id", "two"], ["off"]),
        helper.make_node("Cast", ["off"], ["off_32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["off_32", "ramp"], ["shift"]),
        helper.make_node("Add", ["plain", "shift"], [output]),
    ])
    onnx.save(whole, target)


def odd():
    """Graphs that cannot be used as they are."""
    target = HERE / "odd"
    target.mkdir(exist_ok=True)

    def graph(name, inputs, outputs):
        given = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in inputs]
        gives = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", "length", 8]) for n in outputs]
        table = onnx.numpy_helper.from_array(numpy.zeros((8, 8), dtype="float32"), "table")
        nodes = [helper.make_node("Gather", ["table", inputs[-1]], [n]) for n in outputs]
        made = helper.make_graph(nodes, name, given, gives, [table])
        versions = [helper.make_opsetid("", 18)]
        onnx.save(helper.make_model(made, opset_imports=versions, ir_version=10), target / f"{name}.onnx")

    graph("pixels", ["input_ids", "attention_mask", "pixel_values"], ["last_hidden_state"])
    graph("two", ["input_ids", "attention_mask"], ["layer_11", "layer_12"])


def save(name, model, tokenizer, pooling, extra=(), **kwargs):
    """A sentence-transformers folder, without the weights, and the vectors that it makes."""
    target = HERE / name
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder)
        width = model.config.hidden_size
        modules = [transformer, Pooling(width, pooling_mode=pooling), *extra]
        whole = SentenceTransformer(modules=modules, device="cpu", **kwargs)
        with tempfile.TemporaryDirectory() as saved:
            whole.save_pretrained(saved, create_model_card=False)
            skip = shutil.ignore_patterns("README.md", "chat_template*")
            shutil.copytree(saved, target, ignore=skip)
            (target / "model.safetensors").unlink()
        default = kwargs.get("default_prompt_name")
        prompt = (kwargs.get("prompts") or {}).get(default, "")
        vectors = whole.encode(TEXTS, batch_size=len(TEXTS), normalize_embeddings=True, prompt=prompt)
        long = whole.encode([LONG], normalize_embeddings=True, prompt=prompt)[0]
    expect(target, prompt=prompt, vectors=vectors.tolist(), long=long.tolist())
    return target


def expect(target, **facts):
    path = target / "expected.json"
    known = json.loads(path.read_text()) if path.exists() else {"texts": TEXTS, "long_text": LONG}
    known.update(facts)
    for key in ("vectors", "long"):
        if key in known:
            known[key] = numpy.round(numpy.array(known[key]), 7).tolist()
    path.write_text(json.dumps(known, ensure_ascii=False) + "\n")


def bge_zh():
    torch.manual_seed(1)
    tokenizer = wordpiece()
    model = spread(bert(tokenizer))
    target = save("bge-zh", model, tokenizer, "cls", [Normalize()])
    # As the hub's own files have it.
    legacy = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (target / "1_Pooling" / "config.json").write_text(json.dumps(legacy, indent=2) + "\n")
    path = target / "onnx" / "model.onnx"
    export(model, ("input_ids", "attention_mask", "token_type_ids"), path)
    halve(path, path.with_name("model_half.onnx"))


def e5():
    torch.manual_seed(2)
    tokenizer = unigram()
    model = spread(xlm_roberta(tokenizer))
    prompts = {"query": "query: ", "passage": "passage: "}
    target = save("e5", model, tokenizer, "mean", [Normalize()], prompts=prompts, default_prompt_name="query")
    path = target / "onnx" / "model.onnx"
    export(model, ("input_ids", "attention_mask"), path)
    ask_task(path, path.with_name("model_task.onnx"))


def qwen3_embedding():
    torch.manual_seed(3)
    tokenizer = byte_pairs()
    model = spread(qwen3(tokenizer))
    prompts = {"query": INSTRUCTION, "document": ""}
    target = save("qwen3", model, tokenizer, "lasttoken", [Normalize()], prompts=prompts, default_prompt_name="query")
    export(model, ("input_ids", "attention_mask", "position_ids"), target / "onnx" / "model.onnx")
    export_with_past(model, target / "onnx" / "model_past.onnx")


class Continued(torch.nn.Module):
    """A decoder that goes on from what it has read before, as generation needs it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask, positions, *past):
        cache = DynamicCache(list(zip(past[::2], past[1::2])))
        given = dict(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache)
        return self.model(**given, use_cache=True, return_dict=True).last_hidden_state


def export_with_past(model, path):
    before, length = 3, 5
    ones = torch.ones(2, length, dtype=torch.long)
    past = [torch.randn(2, 2, before, 8) for _ in range(4)]
    values = (ones, torch.ones(2, before + length, dtype=torch.long), ones.cumsum(1) - 1 + before, *past)
    names = [f"past_key_values.{layer}.{part}" for layer in range(2) for part in ("key", "value")]
    auto = torch.export.Dim.AUTO
    shapes = [{0: auto, 1: auto}] * 3 + [{0: auto, 2: auto}] * 4
    torch.onnx.export(
        Continued(model), values, str(path), input_names=["input_ids", "attention_mask", "position_ids", *names],
        output_names=["last_hidden_state"], dynamic_shapes=(*shapes[:3], tuple(shapes[3:])), dynamo=True,
        external_data=False, verbose=False, optimize=True,
    )
    slim(path)


def dense_max():
    torch.manual_seed(4)
    tokenizer = wordpiece()
    model = spread(bert(tokenizer))
    dense = Dense(64, 24, activation_function=torch.nn.Tanh())
    target = save("dense", model, tokenizer, ["max", "mean"], [dense, Normalize()])
    export(model, ("input_ids", "attention_mask", "token_type_ids"), target / "model.onnx")
    # The same with its weights in a file of their own.
    graph = onnx.load(target / "model.onnx")
    onnx.save(graph, target / "model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=512)


def pooled_graph():
    torch.manual_seed(5)
    tokenizer = unigram()
    model = spread(xlm_roberta(tokenizer))
    target = save("pooled", model, tokenizer, "mean", [Normalize()])

    def finish(hidden, mask):
        mask = mask.unsqueeze(-1).to(hidden.dtype)
        return hidden, (hidden * mask).sum(1) / mask.sum(1)

    outputs = ("token_embeddings", "sentence_embedding")
    export(model, ("input_ids", "attention_mask"), target / "onnx" / "model.onnx", outputs, finish)


def flag_embedding():
    """FlagEmbedding's model, whose package also imports parts of transformers that are gone since 5.0."""
    while True:
        try:
            from FlagEmbedding.inference.embedder.encoder_only.m3 import M3Embedder
            return M3Embedder
        except ModuleNotFoundError as missing:
            sys.modules[missing.name] = MagicMock()
        except ImportError as missing:
            import importlib
            setattr(importlib.import_module(missing.name), str(missing).split("'")[1], MagicMock())


def bge_m3():
    torch.manual_seed(6)
    tokenizer = unigram()
    model = spread(xlm_roberta(tokenizer))
    sparse, colbert = torch.nn.Linear(32, 1), torch.nn.Linear(32, 32)
    torch.nn.init.normal_(sparse.weight, std=0.3)
    torch.nn.init.constant_(sparse.bias, 3.0)
    sparse.requires_grad_(False)
    target = save("bge-m3", model, tokenizer, "cls", [Normalize()])
    torch.save(sparse.state_dict(), target / "sparse_linear.pt")
    export(model, ("input_ids", "attention_mask"), target / "onnx" / "model.onnx")

    def finish(hidden, _):
        return torch.nn.functional.normalize(hidden[:, 0], dim=-1), torch.relu(sparse(hidden))

    path = target / "onnx" / "model_sparse.onnx"
    export(model, ("input_ids", "attention_mask"), path, ("dense_vecs", "sparse_vecs"), finish)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        torch.save(sparse.state_dict(), f"{folder}/sparse_linear.pt")
        torch.save(colbert.state_dict(), f"{folder}/colbert_linear.pt")
        embedder = flag_embedding()(folder, use_fp16=False, devices="cpu")
    encoded = embedder.encode(TEXTS, batch_size=len(TEXTS), max_length=LENGTH, return_dense=True, return_sparse=True)
    lexical = [{token: float(weight) for token, weight in one.items()} for one in encoded["lexical_weights"]]
    expect(target, vectors=encoded["dense_vecs"].tolist(), lexical_weights=lexical)


MODELS = [bge_zh, e5, qwen3_embedding, dense_max, pooled_graph, bge_m3, odd]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    for make in MODELS:
        if not wanted or make.__name__ in wanted:
            print(make.__name__, flush=True)
            make()
