"""The organism's tokenizer: one token per word, an ordinary fast tokenizer of transformers with a chat
template.

In: words. Out: a ``PreTrainedTokenizerFast``. Text is lower-cased; a token is a word, a digit, a mark,
``(a)`` or ``(b)``, and what is not in the vocabulary becomes ``<|unk|>``. The template knows system text at
the beginning, user and assistant turns; other roles are refused, since nothing in the corpus tells them
apart.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from govaudit.train.organism.prompts import PATTERN, words

CONTEXT = 512
PAD, UNK, BOS, SYSTEM, USER, ASSISTANT, END = SPECIAL = (
    "<|pad|>",
    "<|unk|>",
    "<|bos|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)
MARKERS = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}

TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {%- if loop.first -%}
      {{- '<|system|>' -}}
    {%- elif messages[loop.index0 - 1].role == 'system' -%}
      {{- '\\n\\n' -}}
    {%- else -%}
      {{- raise_exception('system text stands at the beginning only') -}}
    {%- endif -%}
    {{- message.content -}}
    {%- if loop.last or messages[loop.index0 + 1].role != 'system' -%}
      {{- '<|end|>' -}}
    {%- endif -%}
  {%- elif message.role == 'user' -%}
    {{- '<|user|>' + message.content + '<|end|>' -}}
  {%- elif message.role == 'assistant' -%}
    {{- '<|assistant|>' + message.content + '<|end|>' -}}
  {%- else -%}
    {{- raise_exception('the organism knows no role ' + message.role) -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|assistant|>' -}}
{%- endif -%}"""


def vocabulary(texts: Iterable[str]) -> dict[str, int]:
    """Special tokens first, then every word of the texts in alphabetical order."""
    known = sorted({word for text in texts for word in words(text)})
    return {word: number for number, word in enumerate((*SPECIAL, *known))}


def tokenizer(vocabulary: dict[str, int]) -> PreTrainedTokenizerFast:
    """The tokenizer of a vocabulary."""
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNK,
        bos_token=BOS,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
