"""The packages: everything under tracejit/, and benchmarks/ as `tracejit.benchmarks`.

The one thing that pyproject.toml cannot say: automatic discovery beside a mapped folder.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["tracejit", "tracejit.*"]), "tracejit.benchmarks"],
    package_dir={"tracejit.benchmarks": "benchmarks"},
)
