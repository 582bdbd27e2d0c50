<?php
// What the owner of the site hears of: e-mail about approvals, updates and permissions.
