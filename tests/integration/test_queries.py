"""The page `docs/queries.md`: its builds, and its queries in the clients that people use."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import adbc_driver_duckdb
import duckdb
import pytest
import sqlalchemy
import yaml
from adbc_driver_manager import dbapi

from .conftest import SeedsBuild
from .helpers import REPOSITORY, WITHOUT_TESTS, Built, Project

PAGE = (REPOSITORY / "docs" / "queries.md").read_text()
(BUILD,) = re.findall(r"^dbt build --vars '(.+)'$", PAGE, flags=re.MULTILINE)
#: A query and what it answers.
ANSWERED = re.compile(r"```sql\n(?P<sql>.+?)\n```(?:\n\n```\n.*?\n```)?", re.DOTALL)
QUESTIONS = sorted(path.stem for path in (REPOSITORY / "analyses").glob("*.sql"))
OF_THESE_LIBRARIES = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the figures are those of Python 3.11's libraries"
)
DUCKDB = Path(sys.executable).with_name("duckdb")


@pytest.fixture(scope="module")
def twice_built(seeds_build: SeedsBuild, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example data after the two builds of the page."""
    first = Built(seeds_build.project, {}, seeds_build.run)
    folder = tmp_path_factory.mktemp("queries") / "build"
    return first.continued(folder, WITHOUT_TESTS, **yaml.safe_load(BUILD)).project


@pytest.fixture(scope="module")
def published(twice_built: Project) -> Path:
    """The file that readers open."""
    return twice_built.published


def command_line(published: Path, *arguments: str) -> str:
    """What DuckDB's command line prints, without blanks at the ends of lines."""
    command = [str(DUCKDB), "-readonly", str(published), *arguments]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line.rstrip() for line in shown.splitlines())


def without_ids(text: str) -> str:
    """Text without the ids of models, which depend on versions of libraries and of the code."""
    return re.sub(r"\b[0-9a-f]{16}\b", "<id>", text)


def assert_shows_its_answers(page: Path, published: Path, folder: Path) -> None:
    """Compare a page with itself after the command line has answered every query on it."""

    def answered(match: re.Match[str]) -> str:
        answer = command_line(published, "-column", match["sql"])
        return f"```sql\n{match['sql']}\n```\n\n```\n{answer}\n```"

    text = page.read_text()
    right = ANSWERED.sub(answered, text)
    (folder / page.name).write_text(right)
    assert without_ids(right) == without_ids(text), f"as it should be: {folder / page.name}"


@OF_THESE_LIBRARIES
def test_the_page_shows_what_the_command_line_answers(published: Path, tmp_path: Path) -> None:
    assert_shows_its_answers(REPOSITORY / "docs" / "queries.md", published, tmp_path)


@OF_THESE_LIBRARIES
def test_the_readme_shows_what_the_first_build_answers(
    seeds_build: SeedsBuild, tmp_path: Path
) -> None:
    assert_shows_its_answers(REPOSITORY / "README.md", seeds_build.project.published, tmp_path)


def test_every_question_has_an_answer_on_the_page(published: Path) -> None:
    queries = [match["sql"] for match in ANSWERED.finditer(PAGE)]
    assert len(QUESTIONS) == 22
    for name in QUESTIONS:
        (query, *_) = [query for query in queries if f"from {name}(" in query]
        with duckdb.connect(str(published), read_only=True) as connection:
            assert connection.execute(query).fetchall(), name


def test_the_file_lists_its_queries_with_an_example_of_each(published: Path) -> None:
    with duckdb.connect(str(published), read_only=True) as connection:
        listed = connection.execute("select query, description, example from queries").fetchall()
        assert sorted(query.split("(")[0] for query, _, _ in listed) == QUESTIONS
        for _, description, example in listed:
            assert description.startswith("One row per ")
            assert connection.execute(example).fetchall(), example


def test_analyses_give_in_dbt_what_their_macros_give(twice_built: Project, published: Path) -> None:
    run = twice_built.dbt("compile", "--select", *QUESTIONS, variables=yaml.safe_load(BUILD))
    assert run.success, run.shown
    compiled = twice_built.folder / "target" / "compiled" / "store_segments" / "analyses"
    with duckdb.connect(str(published), read_only=True) as connection:
        examples = dict(connection.execute("select query, example from queries").fetchall())
        for query, example in examples.items():
            sql = (compiled / f"{query.split('(')[0]}.sql").read_text()
            answers = twice_built.query(sql).rows()
            assert answers == connection.execute(example).pl().rows(), query


def test_movers_are_those_that_the_changes_count(published: Path) -> None:
    with duckdb.connect(str(published), read_only=True) as connection:
        n_movers, n_moved = connection.execute(
            """
            select
                (select count(*) from movers()),
                (
                    select max_by(n_changed, run_started_at)
                    from (
                        select
                            run_started_at,
                            sum(n_moved_stores + n_new_stores + n_gone_stores) as n_changed
                        from segments.segment_changes group by all
                    )
                )
            """
        ).fetchall()[0]
    assert n_movers == n_moved > 0


def test_tables_and_columns_carry_their_descriptions(published: Path) -> None:
    with duckdb.connect(str(published), read_only=True) as connection:
        missing = connection.execute(
            """
            select schema_name || '.' || table_name
            from duckdb_tables()
            where comment is null and schema_name <> 'main'
            union all
            select schema_name || '.' || view_name
            from duckdb_views()
            where comment is null and not internal and schema_name <> 'main'
            union all
            select schema_name || '.' || table_name || '.' || column_name
            from duckdb_columns()
            where comment is null and not internal and schema_name <> 'main'
            """
        ).fetchall()
        keys = connection.execute(
            "select table_name, key_columns from tables where schema_name = 'segments'"
        ).fetchall()
    assert missing == []
    assert dict(keys)["store_segments"] == ["category", "store_id"]


def test_sqlalchemy_reads_tables_comments_and_macros(published: Path) -> None:
    engine = sqlalchemy.create_engine(f"duckdb:///{published}", connect_args={"read_only": True})
    with engine.connect() as connection:
        table = sqlalchemy.Table(
            "store_segments", sqlalchemy.MetaData(), schema="segments", autoload_with=connection
        )
        n_rows = connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(table))
        assert n_rows.scalar_one() > 1000
        assert table.c.segment_id.comment
        asked = sqlalchemy.text("select category from segment_of(:store)")
        assert "Snacks" in connection.execute(asked, {"store": "T0042"}).scalars().all()
    engine.dispose()


def test_adbc_reads_arrow_and_cannot_write(published: Path) -> None:
    with (
        dbapi.connect(
            driver=adbc_driver_duckdb.driver_path(),
            entrypoint="duckdb_adbc_init",
            db_kwargs={"path": str(published), "access_mode": "READ_ONLY"},
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("from segment_of('T0042')")
        assert "Snacks" in cursor.fetch_arrow_table()["category"].to_pylist()
        with pytest.raises(dbapi.Error, match="read-only"):
            cursor.execute("create table segments.mine as select 1 as x")


def test_the_prompt_greets_with_three_queries_that_work(small_build: Built) -> None:
    published = small_build.project.published
    script = REPOSITORY / "scripts" / "sql.py"
    command = [sys.executable, str(script), "--published", str(published)]
    asked = "create table segments.mine as select 1 as x;\n"
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert "read-only" in done.stderr
    queries = re.findall(r"^  (from .+;)$", done.stdout, re.MULTILINE)
    assert [query.split("(")[0] for query in queries] == [
        "from segment_summary;",
        "from segment_of",
        "from traits_of",
    ]
    with duckdb.connect(str(published), read_only=True) as connection:
        for query in queries:
            assert connection.execute(query).fetchall(), query
            assert "no store has the id" not in str(connection.execute(query).fetchall())


@pytest.mark.parametrize("asked", ["'S001'", "'s001'", "1", "'001'", "' S001 '", "'S1'"])
def test_a_store_is_found_however_people_write_its_id(small_build: Built, asked: str) -> None:
    with duckdb.connect(str(small_build.project.published), read_only=True) as connection:
        found = connection.execute(f"select store_id, note from segment_of({asked})").fetchall()
    assert found == [("S001", None)] * 2


@pytest.mark.parametrize("asked", ["'S999'", "999", "''", "'001S'"])
def test_a_store_that_does_not_exist_is_said_so(small_build: Built, asked: str) -> None:
    with duckdb.connect(str(small_build.project.published), read_only=True) as connection:
        ((store, note),) = connection.execute(
            f"select store_id, note from segment_of({asked})"
        ).fetchall()
    assert store is None
    given = asked.strip("'")
    assert note == f"no store has the id {given}; ids look like S001 or S040"


def test_an_exact_id_comes_before_similar_ones(small_build: Built, tmp_path: Path) -> None:
    path = tmp_path / "same.duckdb"
    shutil.copyfile(small_build.project.published, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update segments.store_segments set store_id = '1' where store_id = 'S002';"
            "update segments.store_segments set store_id = 's1' where store_id = 'S003'"
        )
        found = {
            asked: {row[0] for row in connection.execute(f"from segment_of('{asked}')").fetchall()}
            for asked in ("1", "s1", "S1", "01")
        }
    assert found == {"1": {"1"}, "s1": {"s1"}, "S1": {"S001", "s1"}, "01": {"1"}}


def test_tables_are_found_without_their_schema(small_build: Built) -> None:
    with duckdb.connect(str(small_build.project.published), read_only=True) as connection:
        for schema, name in connection.execute(
            "select schema_name, table_name from tables"
        ).fetchall():
            short = connection.execute(f"select count(*) from {name}").fetchall()
            assert short == connection.execute(f"select count(*) from {schema}.{name}").fetchall()
