"""temporary"""

from reverse_etl.mapping.rules import check_rules as check_rules
