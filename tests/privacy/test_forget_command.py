"""`depsim forget` and `depsim purge`: where the ids may come from, and that no answer of the command repeats one."""

import pytest
from click.testing import CliRunner, Result
from literal_store import PEOPLE, WEEKS, everything, rows_of, user

from depsim_dagster.cli import main
from depsim_dagster.privacy.erasure.forget import erased_users
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC

ANNA, BERT, CLEO = PEOPLE


def depsim(*arguments: object, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def left(study) -> set[str]:
    return {row["user_id"] for row in rows_of(study, SAMPLED_TRAFFIC, week=WEEKS[0])}


def test_users_named_on_the_line_and_in_a_file(store, tmp_path):
    listed = tmp_path / "ids.txt"
    listed.write_text(f"{BERT}\r\n\n  account-of-nobody \n")
    ran = depsim("forget", ANNA, "--from-file", listed, "-c", store.config.file)
    assert ran.exit_code == 0, ran.output
    assert left(store) == {user(CLEO)}
    assert "2 of 3 user(s) had rows" in ran.output and "Logs and consent ledger are yours" in ran.output
    assert "Receipt " in ran.output and "sampled_traffic" in ran.output
    assert not any(name in ran.output for name in (*PEOPLE, "account-of-nobody", user(ANNA)))


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_file_that_begins_with_a_byte_order_mark_names_its_first_user(store, tmp_path, source):
    """Without, the person stays, and an account that nobody has is on the list of the erased."""
    content = f"{ANNA}\n{BERT}\n".encode("utf-8-sig")
    (tmp_path / "ids.txt").write_bytes(content)
    path = tmp_path / "ids.txt" if source == "file" else "-"
    ran = depsim("forget", "--from-file", path, "-c", store.config.file, stdin=content)
    assert ran.exit_code == 0 and left(store) == {user(CLEO)}, ran.output


def test_users_from_standard_input_and_a_dry_run(store):
    counted = depsim("forget", "--from-file", "-", "--dry-run", "-c", store.config.file, stdin=f"{ANNA}\n")
    assert counted.exit_code == 0 and "Dry run: nothing was removed" in counted.output
    assert user(ANNA) in left(store) and not erased_users(store.lake, store.config)
    assert depsim("forget", "--from-file", "-", "-c", store.config.file, stdin=f"{ANNA}\n").exit_code == 0
    assert user(ANNA) not in left(store)


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["-secret-id"], "", "An id that begins with `-` goes behind `--`"),
        (["--dryrun", "secret-id"], "", "options are not understood"),
        (["secret-id", "-c"], "", "options are not understood"),
        (["--from-file", "no-such-secret-id"], "", "options are not understood"),
        (["--from-file", "-"], b"secret-id\n\xff\xfe\n", "cannot be read: give account ids in UTF-8"),
        (["--from-file", "-"], " \n\n", "no account id was given"),
        ([], "", "no account id was given"),
    ],
)
def test_what_it_does_not_understand_is_not_repeated_and_erases_nobody(store, arguments, stdin, says):
    before = everything(store.lake.root / "sampled_traffic")
    ran = depsim("forget", *arguments, *(() if "-c" in arguments else ("-c", store.config.file)), stdin=stdin)
    assert ran.exit_code != 0 and says in ran.output and "secret-id" not in ran.output
    assert everything(store.lake.root / "sampled_traffic") == before


def test_an_id_behind_two_dashes(store):
    ran = depsim("forget", "-c", store.config.file, "--", "-an-id-that-is-not-there")
    assert ran.exit_code == 0 and "0 of 1 user(s)" in ran.output


def test_purge(store, copied):
    refused = depsim("purge", "-c", store.config.file)
    assert refused.exit_code == 1 and "privacy.retention_days is not set" in refused.output
    keeping = copied("keeping", privacy={"retention_days": 30})
    counted = depsim("purge", "--today", "2026-02-12", "--dry-run", "-c", keeping.config.file)
    assert (
        counted.exit_code == 0
        and "Dry run" in counted.output
        and len(keeping.lake.published(SAMPLED_TRAFFIC)) == 2
    )
    ran = depsim("purge", "--today", "2026-02-12", "-c", keeping.config.file)
    assert ran.exit_code == 0 and "Receipt" in ran.output, ran.output
    status = depsim("study", "status", "-c", keeping.config.file).output
    assert "purged" in status and len(keeping.lake.published(SAMPLED_TRAFFIC)) == 1


def test_doctor_names_the_variable_of_a_key_that_is_missing(store, monkeypatch):
    depsim("forget", ANNA, "-c", store.config.file)
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "another key, which is long enough")
    ran = depsim("doctor", "-c", store.config.file)
    assert "people were erased under another key" in ran.output.replace("\n       ", " ")
    assert "DEPSIM_HMAC_KEY_PREVIOUS" in ran.output
