"""Packages and shipped data; everything else about the project stands in pyproject.toml.

``data/`` stays at the top of the project, and becomes ``workbench/data`` in an installed wheel.
`workbench.system.provenance.data_path` finds it in both places.
"""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["workbench*"]), "workbench.data"],
      package_dir={"workbench.data": "data"},
      package_data={"workbench.data": ["**/*"], "workbench.widgets": ["*.js"]})
