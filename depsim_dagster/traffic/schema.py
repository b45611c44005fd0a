"""Tables of the traffic station: the conversation schema that logs are read into, the consent ledger, the sample."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import TIMESTAMP, LakeTable, field

CONVERSATION_SCHEMA_VERSION = 2  # 2: messages may say how many of their attachments are images

MESSAGE = pa.struct(
    [
        field("role", pa.string(), "system, developer, user, assistant or tool"),
        field("content", pa.string(), "text", nullable=True),
        field("reasoning", pa.string(), "reasoning text where the log has it", nullable=True),
        field("tool_calls", pa.string(), "JSON list of OpenAI tool calls", nullable=True),
        field("tool_call_id", pa.string(), "for role tool: the call it answers", nullable=True),
        field("name", pa.string(), "tool or participant name", nullable=True),
        field("created_at", TIMESTAMP, "when the message was sent"),
        field("attachments", pa.int32(), "files attached to the message", nullable=True),
        field("images", pa.int32(), "images attached to the message, beside its files", nullable=True),
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

TURN_INDEX = LakeTable(
    "turn_index",
    "One row per user turn of a log file: what the rules and the draw need, keyed and without text.",
    pa.schema(
        [
            field(
                "file", pa.string(), "id of the file's content as read: keyed digest of bytes and settings"
            ),
            field("record", pa.int64(), "position of the record in the file, from 0"),
            field("turn_index", pa.int32(), "position among the conversation's user turns, from 0"),
            field("place", pa.int32(), "position of the user message in the conversation, from 1"),
            field(
                "next_place",
                pa.int32(),
                "position of the next user message, or one more than the last message",
            ),
            field("conversation_id", pa.string(), "keyed HMAC of the conversation"),
            field(
                "user_id",
                pa.string(),
                "keyed HMAC of the account; null where the log has none",
                nullable=True,
            ),
            field("model", pa.string(), "the model that answered, named as in `deployments`", nullable=True),
            field(
                "language",
                pa.string(),
                "language tag; null where the log has none that is one",
                nullable=True,
            ),
            field("surface", pa.string(), "chat, api or unknown"),
            field("account_class", pa.string(), "consumer, employee, enterprise or unknown"),
            field(
                "temporary", pa.bool_(), "a temporary chat; null where the log does not say", nullable=True
            ),
            field("has_attachment", pa.bool_(), "the conversation has a file"),
            field("has_image", pa.bool_(), "the conversation has an image"),
            field("malformed", pa.bool_(), "the record cannot be replayed"),
            field("malformed_reason", pa.string(), "why the record cannot be replayed", nullable=True),
            field(
                "sent_at",
                TIMESTAMP,
                "when the user turn was sent; null where no time is needed",
                nullable=True,
            ),
            field("wordless", pa.bool_(), "no message up to the user turn has text"),
            field("answered", pa.bool_(), "an assistant message with text or a tool call follows"),
            field("record_digest", pa.string(), "keyed digest of the record's user, messages and times"),
            field(
                "prompt_digest", pa.string(), "keyed digest of the user turn's text, case and spacing evened"
            ),
            field(
                "sketch",
                pa.list_(pa.uint32()),
                "keyed MinHash of the user turn's word 3-grams, 64 values; null below 3 words",
                nullable=True,
            ),
            field("characters", pa.int32(), "length of the user turn", unit="characters"),
        ]
    ),
    ("file",),
)

INGESTED_FILES = LakeTable(
    "ingested_files",
    "What each log file held: every record is either rejected or one conversation.",
    pa.schema(
        [
            field("file", pa.string(), "id of the file's content as read"),
            field("name", pa.string(), "path of the file as the study names it"),
            field(
                "kind", pa.string(), "parquet, lines (JSON Lines), document (JSON), csv or recorded_answers"
            ),
            field("compression", pa.string(), "gzip, bz2, xz, zstd or none"),
            field("format", pa.string(), "log format it was read as"),
            field("content", pa.string(), "SHA-256 of the file's bytes"),
            field("bytes", pa.int64(), "size of the file", unit="bytes"),
            field("state", pa.string(), "what the file system said of it, to see that it is unchanged"),
            field("records", pa.int64(), "records; blank lines are none", unit="records"),
            field("rejected", pa.int64(), "records in rejected_records", unit="records"),
            field("conversations", pa.int64(), "records in the index", unit="records"),
            field("user_turns", pa.int64(), "rows in the index", unit="turns"),
            field("malformed_turns", pa.int64(), "of these in records that cannot be replayed", unit="turns"),
            field("future_records", pa.int64(), "rejected for a time that had not come", unit="records"),
            field("latest", TIMESTAMP, "the time after which nothing could have been sent yet"),
            field("indexed_at", TIMESTAMP, "when it was read"),
            field("sandbox", pa.bool_(), "a synthetic world made the traffic or answers it"),
        ]
    ),
    ("file",),
)

REJECTED_RECORDS = LakeTable(
    "rejected_records",
    "Records of log files that cannot be placed as traffic, each with the reason and where it stands. No text.",
    pa.schema(
        [
            field("file", pa.string(), "id of the file's content as read"),
            field("name", pa.string(), "path of the file as the study names it"),
            field("record", pa.int64(), "position of the record in the file, from 0"),
            field("line", pa.int64(), "line on which it begins, from 1; null in Parquet", nullable=True),
            field("reason", pa.string(), "why"),
            field("field", pa.string(), "the field that is wrong, as the format names it", nullable=True),
            field("sandbox", pa.bool_(), "a synthetic world made the traffic or answers it"),
        ]
    ),
    ("file",),
)

_TURN = [
    field("week", pa.string(), "Monday of the week (UTC)"),
    field("turn_id", pa.string(), "keyed HMAC of conversation and turn: the id of the prefix"),
    field("conversation_id", pa.string(), "keyed HMAC of the conversation"),
    field(
        "user_id", pa.string(), "keyed HMAC of the account; of the conversation where the log has no account"
    ),
    field(
        "deployment",
        pa.string(),
        "the model version that answered in the log; of a further prefix source its name",
    ),
    field("language", pa.string(), "ISO 639-1 code", nullable=True),
    field(
        "sent_at",
        TIMESTAMP,
        "when the sampled user turn was sent; of a further prefix source the week's Monday",
    ),
    field("turn_index", pa.int32(), "position of the user turn among the conversation's user turns, from 0"),
    field(
        "prefix_source",
        pa.string(),
        "deployment_traffic, challenging_prompts, external_corpus or evaluation_prompts",
    ),
    field(
        "inclusion_probability",
        pa.float64(),
        "probability that this eligible turn was sampled (traffic/draw.py)",
    ),
    field("account_class", pa.string(), "consumer, employee or enterprise"),
    field("surface", pa.string(), "chat or api"),
    field("temporary", pa.bool_(), "a temporary chat; null where the log does not say", nullable=True),
    field("has_attachment", pa.bool_(), "the conversation has a file"),
    field("has_image", pa.bool_(), "the conversation has an image"),
    field("consent_granted", pa.bool_(), "consent held when the turn was sent and holds now"),
    field("consent_policy_version", pa.string(), "policy version of the consent decision"),
    field("consent_decided_at", TIMESTAMP, "since when the consent decision was recorded and in effect"),
    field("attributes", pa.string(), "JSON object of further columns of the log", nullable=True),
    field("sandbox", pa.bool_(), "a synthetic world made the traffic or answers it"),
]

SAMPLED_TRAFFIC = LakeTable(
    "sampled_traffic",
    "A sample of the week's eligible user turns, each with its prefix and the target turn that followed.",
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
            field(
                "prefix_source",
                pa.string(),
                "deployment_traffic, challenging_prompts, external_corpus or evaluation_prompts",
            ),
            field("rule", pa.string(), "the rule, or `sampled` for what is left"),
            field("turns", pa.int64(), "user turns", unit="turns"),
            field(
                "users",
                pa.int64(),
                "users (conversations where the log has no account) behind them",
                unit="users",
            ),
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
            field("identifiers_replaced", pa.int32(), "personal details replaced in all texts of the turn"),
            field("identifiers_by_type", pa.map_(pa.string(), pa.int32()), "how many of each type"),
            field(
                "surrogates",
                pa.string(),
                "what stands for the details: realistic, tags ([PERSON_1]), or none where the engine is off; null in weeks of "
                "earlier versions, which replaced all details in the study's own style",
                nullable=True,
            ),
            field("attachments_dropped", pa.int32(), "files and images taken out of the texts"),
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
    gates=("consent", "privacy", "canaries"),
    added=("surrogates",),
)
