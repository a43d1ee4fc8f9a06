"""The same weights in transformers: a Llama GGUF as LlamaForCausalLM with PEFT adapters.

Models made from one `Weights` share one copy of the frozen parameters, as actor, critic and reference do on our side.
"""

import os
from dataclasses import dataclass

import gguf
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass
class Weights:
    config: LlamaConfig
    state: dict[str, Tensor]


def hf_name(name: str) -> str:
    """`blk.0.attn_q.weight` to `model.layers.0.self_attn.q_proj.weight`."""
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, tensor, _ = name.split(".")
    return f"model.layers.{layer}.{BLOCK[tensor]}.weight"


def half_split(rows: Tensor, heads: int) -> Tensor:
    """A GGUF keeps the rotary pairs of q and k interleaved; transformers wants all first halves, then the second."""
    size = rows.shape[0] // heads
    return rows.view(heads, size // 2, 2, -1).transpose(1, 2).reshape(rows.shape)


def read_weights(path: str, dtype: torch.dtype) -> Weights:
    reader = gguf.GGUFReader(path)

    def field(key: str):
        return reader.fields[f"llama.{key}"].contents()

    tensors = {t.name: t for t in reader.tensors}
    heads, kv_heads = field("attention.head_count"), field("attention.head_count_kv")
    config = LlamaConfig(
        hidden_size=field("embedding_length"),
        num_hidden_layers=field("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=field("attention.key_length"),
        intermediate_size=field("feed_forward_length"),
        vocab_size=int(tensors["token_embd.weight"].shape[1]),
        max_position_embeddings=field("context_length"),
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": field("rope.freq_base")},
        tie_word_embeddings=True,
        attn_implementation="sdpa",
        use_cache=False,
    )
    state = {}
    for name, tensor in tensors.items():
        values = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        if ".attn_q." in name or ".attn_k." in name:
            values = half_split(values, heads if ".attn_q." in name else kv_heads)
        state[hf_name(name)] = values.to(dtype).contiguous()
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    return Weights(config, state)


def make_base(weights: Weights) -> LlamaForCausalLM:
    """A frozen model over the shared weights."""
    with torch.device("meta"):
        model = LlamaForCausalLM(weights.config)
    model.load_state_dict(weights.state, assign=True)
    # The rotary table is a buffer that no file holds.
    model.model.rotary_emb = type(model.model.rotary_emb)(weights.config)
    return model.requires_grad_(False).train()


def with_adapter(weights: Weights, folder: str) -> PeftModel:
    """PEFT keeps the trained A and B in fp32 whatever the base's dtype."""
    return PeftModel.from_pretrained(make_base(weights), folder, is_trainable=True)


class ValueHead(nn.Module):
    """C → E → SiLU → 1, in fp32."""

    def __init__(self, folder: str):
        super().__init__()
        state = load_file(os.path.join(folder, "value_head.safetensors"))
        hidden, width = state["value_head.fc1.weight"].shape
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, 1)
        self.load_state_dict({name.removeprefix("value_head."): tensor for name, tensor in state.items()})

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(nn.functional.silu(self.fc1(x.float()))).squeeze(-1)
