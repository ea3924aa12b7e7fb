"""temporary"""

from reverse_etl.mapping.rules import SHIPPED as SHIPPED
from reverse_etl.mapping.rules import named_rules as named_rules
