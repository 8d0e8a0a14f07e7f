"""One Spark for the suite."""
import pytest
from weir_programs import spark_session


@pytest.fixture(scope="session")
def spark():
    session = spark_session()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
