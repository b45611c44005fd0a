"""The commands of the `depsim` command line, a module for each group."""
