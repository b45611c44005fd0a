"""Scorecards as tables: dbt models over the lake (`dbt_project/`), published as Parquet beside it, and one
DuckDB file for people. Not here: any statistic (estimation), and the HTML report (report).

    lake_files   paths of published files as DuckDB reads them
    project      where the dbt project is, and its parsed manifest
    dbt_build    build_marts: run dbt in memory, publish only what passed every test
    warehouse    write_warehouse: marts and non-text lake tables in one DuckDB file
    assets       the same build as Dagster assets and asset checks (the only module that imports Dagster)
"""
