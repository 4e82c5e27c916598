// What a dashboard's JSON may be, by Grafana's own types: the dashboard's, and for each panel that of its kind.
import type { Dashboard, DataSourceRef, FieldConfig, GraphFieldConfig, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type { Options as BarGauge } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { FieldConfig as HeatmapField, Options as Heatmap } from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Options as TimeSeries } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON has the values of enumerations, not their names.
type Plain<T> = T extends string ? `${T}` : T extends number ? (`${T}` extends `${infer N extends number}` ? N : T)
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

type Target = {
  refId: string; datasource: DataSourceRef; editorMode: "code"; expr: string; legendFormat: string;
  instant: boolean; range: boolean; format: "time_series" | "heatmap";
};
type Of<Kind extends string, Options, Custom> = Plain<Omit<Panel, "type" | "options" | "fieldConfig" | "targets">> & {
  type: Kind; options: Plain<Options>; targets: Target[];
  fieldConfig: { defaults: Plain<Omit<FieldConfig, "custom">> & { custom?: Plain<Custom> }; overrides: Plain<NonNullable<Panel["fieldConfig"]>["overrides"]> };
};
type Checked = Plain<Omit<Dashboard, "panels" | "templating">> & {
  templating: { list: Plain<VariableModel>[] };
  panels: (
    | (Plain<RowPanel> & { panels: [] })
    | Of<"timeseries", TimeSeries, GraphFieldConfig>
    | Of<"stat", Stat, never>
    | Of<"bargauge", BarGauge, never>
    | Of<"heatmap", Heatmap, HeatmapField>
  )[];
};
