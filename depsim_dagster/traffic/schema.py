"""Tables of the traffic station: the conversation schema that logs are read into, the consent ledger, the sample."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import TIMESTAMP, LakeTable, field

CONVERSATION_SCHEMA_VERSION = 1

MESSAGE = pa.struct(
    [
        field("role", pa.string(), "system, developer, user, assistant or tool"),
        field("content", pa.string(), "text", nullable=True),
        field("reasoning", pa.string(), "reasoning text where the log has it", nullable=True),
        field("tool_calls", pa.string(), "JSON list of OpenAI tool calls", nullable=True),
        field("tool_call_id", pa.string(), "for role tool: the call it answers", nullable=True),
        field("name", pa.string(), "tool or participant name", nullable=True),
        field("created_at", TIMESTAMP, "when the message was sent"),
        field("attachments", pa.int32(), "files and images attached to the message", nullable=True),
    ]
)

CONVERSATIONS = pa.schema(
    [
        field("conversation_id", pa.string(), "unique id of the conversation"),
        field("user_id", pa.string(), "account of the user, null when the log has none", nullable=True),
        field("model", pa.string(), "the deployment that answered"),
        field("language", pa.string(), "ISO 639-1 code", nullable=True),
        field("surface", pa.string(), "chat or api"),
        field("account_class", pa.string(), "consumer, employee or enterprise"),
        field("temporary", pa.bool_(), "a temporary chat"),
        field("tools", pa.string(), "JSON list of the tools offered", nullable=True),
        field("attributes", pa.string(), "JSON object of further columns", nullable=True),
        field("messages", pa.list_(MESSAGE), "the messages in their order"),
    ]
)

CONSENT_LEDGER = pa.schema(
    [
        field("user_id", pa.string(), "account of the user"),
        field("scope", pa.string(), "what the consent is for"),
        field("granted", pa.bool_(), "granted or refused"),
        field("policy_version", pa.string(), "version of the policy that was shown"),
        field("effective_from", TIMESTAMP, "when the decision takes effect"),
        field("effective_until", TIMESTAMP, "when it ends; null while it holds", nullable=True),
        field("recorded_at", TIMESTAMP, "when it was written down"),
    ]
)

_TURN = [
    field("week", pa.string(), "Monday of the week (UTC)"),
    field("turn_id", pa.string(), "keyed HMAC of conversation and turn: the id of the prefix"),
    field("conversation_id", pa.string(), "keyed HMAC of the conversation"),
    field(
        "user_id", pa.string(), "keyed HMAC of the account; of the conversation where the log has no account"
    ),
    field("deployment", pa.string(), "the model version that answered in the log"),
    field("language", pa.string(), "ISO 639-1 code", nullable=True),
    field("sent_at", TIMESTAMP, "when the sampled user turn was sent"),
    field("turn_index", pa.int32(), "position of the user turn among the conversation's user turns, from 0"),
    field("prefix_source", pa.string(), "deployment_traffic, challenging_prompts or external_corpus"),
    field("inclusion_probability", pa.float64(), "probability that this eligible turn was sampled"),
    field("account_class", pa.string(), "consumer, employee or enterprise"),
    field("surface", pa.string(), "chat or api"),
    field("temporary", pa.bool_(), "a temporary chat"),
    field("has_attachment", pa.bool_(), "the conversation has a file or an image"),
    field("consent_granted", pa.bool_(), "consent held when the turn was sent and holds now"),
    field("consent_policy_version", pa.string(), "policy version of the consent decision"),
    field("consent_decided_at", TIMESTAMP, "when the consent decision took effect"),
    field("attributes", pa.string(), "JSON object of further columns of the log", nullable=True),
    field("sandbox", pa.bool_(), "a synthetic world made the traffic or answers it"),
]

SAMPLED_TRAFFIC = LakeTable(
    "sampled_traffic",
    "A uniform sample of the week's eligible user turns, each with its prefix and the target turn that followed.",
    pa.schema(
        [
            *_TURN,
            field(
                "prefix",
                pa.string(),
                "JSON list of messages up to and including the sampled user turn (text)",
            ),
            field("target", pa.string(), "JSON list of messages of the assistant turn that followed (text)"),
            field("tools", pa.string(), "JSON list of the tools offered (text)", nullable=True),
        ]
    ),
    ("week",),
)

SAMPLING_FUNNEL = LakeTable(
    "sampling_funnel",
    "How many user turns of the week each rule excluded, in the order in which the rules apply.",
    pa.schema(
        [
            field("week", pa.string(), "Monday of the week (UTC)"),
            field("position", pa.int32(), "order in which the rules apply"),
            field("rule", pa.string(), "the rule, or `sampled` for what is left"),
            field("turns", pa.int64(), "user turns", unit="turns"),
            field("sandbox", pa.bool_(), "a synthetic world made the traffic or answers it"),
        ]
    ),
    ("week",),
)

DEIDENTIFIED_PREFIXES = LakeTable(
    "deidentified_prefixes",
    "The sampled prefixes and target turns with every personal detail replaced, published only through the gates.",
    pa.schema(
        [
            *_TURN,
            field("identifiers_replaced", pa.int32(), "personal details replaced in prefix and target turn"),
            field(
                "residual_identifiers",
                pa.int32(),
                "original identifiers that an independent detector still finds",
            ),
            field("prefix_characters", pa.int32(), "length of the prefix's text", unit="characters"),
            field("prefix", pa.string(), "JSON list of messages, de-identified (text)"),
            field(
                "target",
                pa.string(),
                "JSON list of messages of the production response, de-identified (text)",
            ),
            field("tools", pa.string(), "JSON list of the tools offered (text)", nullable=True),
        ]
    ),
    ("week",),
    gates=("consent", "privacy"),
)
