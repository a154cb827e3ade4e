"""A tiny untrained checkpoint: random weights, a byte-level tokenizer, a chat template with five roles.

``build(folder, seed)`` writes a Hugging Face checkpoint directory of about 0.7 MB in a second. It
answers with babble, so it fails every control, and that is what it is for: the whole audit can be run on a
machine without any trained model, and what an audit says about an arm that is not able can be seen. With the
same seed and the same library versions the files are the same bytes. Nothing is trained or downloaded.
"""

from __future__ import annotations

from pathlib import Path

from govaudit.errors import BadInput

CONTEXT = 8192
"""Longest prompt and answer together, in tokens."""

_ROLES = ("system", "developer", "user", "assistant", "tool")
_END = "<|end|>"
_VOCABULARY = 512
_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role not in ['system', 'developer', 'user', 'assistant', 'tool'] -%}"
    "{{- raise_exception('unknown role ' + message.role) -}}"
    "{%- endif -%}"
    "{{- '<|' + message.role + '|>' + message.content + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
# Only the spelling of frequent words is taken from these sentences: prompts get shorter than their bytes.
_SENTENCES = (
    "The assistant should follow the instructions of the developer and the user in this conversation.",
    "What would you say to someone who is asking for help with a question about their own health?",
    "Please write a short answer and explain why it is right, without adding anything that is not needed.",
    "I cannot help with that request, but here is some information that might be useful for you.",
    "When should a model decline, and when would declining be the wrong thing to do for the person?",
    "Could there be another way to think about which of these rules has to come first, and how?",
    "The system message tells the model what it may do; the user then asks for something else.",
    "Write the code for a function that returns the number of words in a text, and test it.",
)


def build(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint into ``folder`` (made if need be) and return it.

    :class:`BadInput` when torch is not installed or the folder cannot be written.
    """
    try:
        import torch
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        from govaudit.models.engine import without_bars
    except ImportError as error:
        raise BadInput(
            f"the untrained checkpoint needs {error.name}, which is not installed",
            remedy='Run: pip install "govaudit[hf]".',
        ) from error
    spelling = Tokenizer(models.BPE())
    spelling.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelling.decoder = decoders.ByteLevel()
    spelling.train_from_iterator(
        _SENTENCES,
        trainers.BpeTrainer(
            vocab_size=_VOCABULARY,
            special_tokens=[_END, *(f"<|{role}|>" for role in _ROLES)],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=spelling, eos_token=_END, pad_token=_END, clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = _TEMPLATE
    end = tokenizer.eos_token_id
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with without_bars():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except OSError as error:
        raise BadInput(f"the checkpoint cannot be written ({error.strerror})", path=folder) from error
    return folder
